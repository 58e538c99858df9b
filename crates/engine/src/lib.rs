//! An Engine.IO server: HTTP requests and sockets to messages, and back.
