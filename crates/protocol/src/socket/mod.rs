//! Socket.IO: namespaces, events, acknowledgements and attachments, as the messages of an Engine.IO session carry them.
//!
//! Heads are parsed by hand and JSON is left alone until somebody asks for it: an event that is only passed on is
//! checked, never rebuilt.

pub mod messagepack; // Packets and values as MessagePack.

mod arguments;
mod assembler;
mod connect;
mod emit;
mod event;
mod json;
mod packet;
mod parser;
mod placeholder;
mod raw;
mod spread;
mod stringify;
mod value;
mod value_deserializer;

pub use arguments::{Arguments, ArgumentsError};
pub use assembler::{Assembled, Assembler};
pub use connect::{ConnectAnswer, ConnectError, ConnectTarget, InvalidConnectError};
pub use emit::{EncodeError, ToArguments, write_arguments};
pub use event::{Event, encode_ack, encode_event, split_event};
pub use messagepack::MessagePackParser;
pub use packet::{DecodeError, Packet, PacketType, decode, write_head};
pub use parser::{Decoder, Encoded, Parser};
pub use raw::RawArguments;
pub use spread::Spread;
pub use value::Value;
