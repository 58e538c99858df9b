//! Engine.IO 3 and 4: sessions over HTTP long-polling and WebSocket, and the packets within.

mod close;
mod content_coding;
mod jsonp;
mod open;
mod packet;
mod payload;
mod protocol;
mod query;
mod request;
mod session;
mod session_id;
mod transport;

pub use close::CloseReason;
pub use content_coding::ContentCoding;
pub use jsonp::{unwrap_jsonp, wrap_jsonp};
pub use open::{Open, Opened};
pub use packet::{DecodeError, Message, Packet};
pub use payload::{BodyKind, EncodedPayload, PayloadDecoder, PeerEncoding, decode_payload, encode_payload};
pub use protocol::Protocol;
pub use query::Query;
pub use request::{BadRequest, Intent, Refusal, RequestHead, VerifySettings, verify, verify_protocol};
pub use session::{Due, ProbeStep, Reaction, Session, Timing, UpgradeRefused};
pub use session_id::{InvalidSessionId, SessionId};
pub use transport::{Transport, UnknownTransport};
