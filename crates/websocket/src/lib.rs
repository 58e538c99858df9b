//! RFC 6455 frames and RFC 7692 compression, both roles, without I/O.
