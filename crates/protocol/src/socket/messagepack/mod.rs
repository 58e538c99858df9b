//! MessagePack, in the forms of the npm package `notepack.io`: packets as `socket.io-msgpack-parser` has them, and
//! whole values.

mod date;
mod json;
mod number;
mod old;
mod packet;
mod parser;
mod reader;
mod value;
mod writer;

pub use parser::MessagePackParser;
pub use value::{decode, encode};

pub(super) use number::number_text;
