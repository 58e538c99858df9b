//! Engine.IO and Socket.IO as pure functions and state machines: no sockets, no clock, no async.
//!
//! Bytes become an [`engine::Packet`]; the text of its message becomes a [`socket::Packet`]; its payload an
//! [`socket::Event`], whose [`socket::Arguments`] turn into the receiver's own types. The way out is the same, backwards.
//!
//! | step | in | out |
//! |---|---|---|
//! | an HTTP request is judged | [`engine::Query`], [`engine::verify`] | [`engine::Intent`] or [`engine::Refusal`] |
//! | bytes of a body or a WebSocket message | [`engine::decode_payload`], [`engine::Packet::decode_text`] | [`engine::Packet`] |
//! | a message | [`socket::Assembler`] | [`socket::Packet`] with its attachments |
//! | a payload | [`socket::split_event`] | [`socket::Event`] |
//! | arguments | [`socket::Arguments::deserialize`] | any `T: DeserializeOwned` |
//! | an emit | [`socket::encode_event`] | text and attachments |
//!
//! Deliberately absent: sockets, clocks, tasks, channels and random sources. Times and random bytes come in as arguments.
//!
//! ```
//! use sockeye_protocol::{Limits, engine, socket};
//!
//! let message = engine::Packet::decode_text(engine::Protocol::V4, r#"42["chat","hello",7]"#.into())?;
//! let engine::Packet::Message(engine::Message::Text(text)) = message else { panic!("a text message") };
//! let packet = socket::decode(&text, &Limits::default())?;
//! let event = socket::split_event(packet.payload)?;
//! assert_eq!(event.name, "chat");
//! let (words, count): (String, u32) = event.arguments.deserialize()?;
//! assert_eq!((words.as_str(), count), ("hello", 7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod engine; // Requests, packets, payloads, the session state machine.
pub mod socket; // Namespaces, events, acknowledgements, attachments.

mod limits;

pub use limits::Limits;
