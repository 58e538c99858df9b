//! Socket.IO for Rust: namespaces, handlers, rooms, acknowledgements.
