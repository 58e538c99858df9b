//! Reading golden files.

pub(crate) mod any; // Messages at random.
pub(crate) mod fuzzed; // What holds for any bytes.
pub(crate) mod meaning; // What messages mean, as the golden files tell it.
pub(crate) mod redis_server; // A Redis for a test.

use sockeye_adapter::cluster::{Envelope, Message, NodeId};
use sockeye_protocol::socket::Value;
use sockeye_redis::wire::{DecodeError, EncodeError};

/// Looking into JSON. Golden files are read as our own values, which keep the order of keys.
pub(crate) trait Look {
    /// The value of a key; null if there is none.
    fn at(&self, key: &str) -> &Value;
    fn text_if_any(&self) -> Option<&str>;
    fn number_if_any(&self) -> Option<u64>;
    fn list(&self) -> &[Value];

    fn text(&self) -> &str {
        self.text_if_any().unwrap()
    }

    fn texts(&self) -> Vec<&str> {
        self.list().iter().map(Look::text).collect()
    }
}

impl Look for Value {
    fn at(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Self::Null)
    }

    fn text_if_any(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    fn number_if_any(&self) -> Option<u64> {
        if let Self::Number(number) = self { number.as_u64() } else { None }
    }

    #[track_caller]
    fn list(&self) -> &[Value] {
        let Self::Array(items) = self else { panic!("expected a list, found {self:?}") };
        items
    }
}

/// A message of a golden file.
pub(crate) struct Golden {
    pub(crate) name: String,
    /// All that the file says.
    pub(crate) json: Value,
    /// What it means.
    pub(crate) envelope: Envelope,
}

impl Golden {
    /// The channel or stream it went to.
    pub(crate) fn destination(&self) -> &str {
        self.json.get("channel").or(self.json.get("stream")).unwrap().text()
    }

    /// Whom it answers, by a channel of its own.
    pub(crate) fn asker(&self) -> Option<NodeId> {
        self.json.at("asker").text_if_any().map(NodeId::new)
    }

    /// Whether Node has sent it for nobody, which we never do.
    pub(crate) fn is_for_nobody(&self) -> bool {
        matches!(&self.envelope.message, Message::Broadcast(broadcast) if broadcast.to.rooms() == Some(&[]))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        meaning::bytes_of(self.json.at("bytes").text())
    }

    /// It is read as what it means, and what that is written as is the same, or at least read as the same.
    #[track_caller]
    pub(crate) fn check<W: PartialEq + std::fmt::Debug>(
        &self,
        wire: &W,
        decode: impl Fn(&W) -> Result<Envelope, DecodeError>,
        encode: impl Fn(&Envelope) -> Result<W, EncodeError>,
    ) {
        let name = &self.name;
        assert_eq!(decode(wire).as_ref(), Ok(&self.envelope), "{name}");
        if self.is_for_nobody() {
            return assert!(matches!(encode(&self.envelope), Err(EncodeError::Nobody)), "{name}");
        }
        let written = encode(&self.envelope).unwrap();
        if *self.json.at("rewritten") == Value::Bool(false) {
            assert_eq!(decode(&written).as_ref(), Ok(&self.envelope), "{name}");
        } else {
            assert_eq!(written, *wire, "{name}");
        }
    }
}

/// The messages of a golden file, which must not be few.
pub(crate) fn messages(file: &Value) -> Vec<Golden> {
    let messages = file.at("messages").list();
    assert!(messages.len() > 50);
    let message = |json: &Value| Golden {
        name: json.at("name").text().to_owned(),
        json: json.clone(),
        envelope: meaning::envelope(json),
    };
    messages.iter().map(message).collect()
}
