//! How packets travel, where that is not the official text: all that a [`Parser`] of one's own needs.
//!
//! [`ServerBuilder::parser`](crate::ServerBuilder::parser) takes it. `examples/json-parser` has a whole one.

pub use sockeye_engine::{Message, Protocol};
pub use sockeye_protocol::Limits;
pub use sockeye_protocol::socket::{
    Assembled, DecodeError, Decoder, EncodeError, Encoded, MessagePackParser, Packet, PacketType, Parser, decode,
    write_head,
};
