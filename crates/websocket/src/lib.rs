//! WebSocket ([RFC 6455]) and its compression ([RFC 7692]) as functions over bytes: both roles, no sockets, no clock,
//! no random source, no async.
//!
//! A [`Decoder`] takes what a read brought and hands out messages, borrowed from that very buffer where they lie in it
//! whole. It keeps nothing but an unfinished frame or message, and nothing at all between them. The way out is
//! [`frame()`]: a complete frame in one [`bytes::Bytes`], built once and shared by all who receive it.
//!
//! ```
//! use sockeye_websocket::{Decoder, Input, Limits, Message, Role, frame, masked_frame, Opcode};
//!
//! # fn main() -> Result<(), sockeye_websocket::ProtocolError> {
//! let mut read = masked_frame(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]).to_vec();
//! let mut input = Input::new(&mut read);
//! let mut decoder = Decoder::new(Role::Server, Limits::default());
//! while let Some(message) = decoder.decode(&mut input)? {
//!     assert_eq!(message, Message::Text("Hello".into()));
//!     assert_eq!(frame(Opcode::Text, message.payload()), b"\x81\x05Hello"[..]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | from → to | module |
//! |---|---|
//! | HTTP headers → an agreed connection | [`handshake`], [`deflate`] |
//! | bytes → [`Message`] | [`Decoder`] |
//! | message → frame | [`frame()`], [`masked_frame`], [`Deflate::frame`](deflate::Deflate::frame) |
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

pub mod deflate;
pub mod handshake;

mod assembly;
mod close;
mod decoder;
mod frame;
mod header;
mod input;
mod limits;
mod mask;
mod message;
mod text;

pub use close::{CloseFrame, InvalidClose, close_frame, masked_close_frame};
pub use decoder::{Decoder, ProtocolError, Role};
pub use frame::{Frames, frame, frames, header, masked_frame, write_header};
pub use header::{Header, HeaderBytes, InvalidHeader, MAX_SERVER_HEADER, Opcode};
pub use input::Input;
pub use limits::Limits;
pub use message::Message;
