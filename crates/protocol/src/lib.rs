//! Engine.IO and Socket.IO as pure functions and state machines: no sockets, no clock, no async.
