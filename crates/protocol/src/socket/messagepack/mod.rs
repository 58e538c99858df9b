//! Packets as MessagePack, in the form of `socket.io-msgpack-parser`.

mod date;
mod json;
mod number;
mod old;
mod packet;
mod parser;
mod reader;
mod writer;

pub use parser::MessagePackParser;
