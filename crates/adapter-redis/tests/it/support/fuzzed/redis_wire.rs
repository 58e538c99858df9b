//! Messages in all formats: whatever is read is written, and read again.

use sockeye_adapter::cluster::Envelope;
use sockeye_redis::wire::{
    classic::{self, Channel},
    sharded,
    streams::{self, Session},
};

/// The first byte chooses the format, the rest is a message.
pub(crate) fn run(input: &[u8]) {
    let Some((format, bytes)) = input.split_first() else { return };
    match format % 7 {
        0 => classic(Channel::Broadcasts { room: None }, bytes),
        1 => classic(Channel::Requests, bytes),
        2 => classic(Channel::Answers, bytes),
        3 => again(bytes, |bytes| sharded::decode(bytes).ok(), |envelope| sharded::encode(envelope).ok()),
        4 => again(bytes, |bytes| streams::decode(bytes).ok(), |envelope| streams::encode(envelope).ok()),
        5 => {
            // Two characters of a type, and data.
            let (kind, data) = bytes.split_at_checked(2).unwrap_or((bytes, b""));
            let kind = kind.trim_ascii();
            let decode = |data: &[u8]| {
                streams::decode_entry([("uid", &b"me"[..]), ("nsp", b"/"), ("type", kind), ("data", data)]).ok()
            };
            let encode = |envelope: &Envelope| {
                let data = streams::encode_entry(envelope).ok()?.into_iter().find(|(name, _)| *name == "data");
                Some(data.map_or_else(Vec::new, |(_, data)| data.into()))
            };
            again(data, decode, encode);
        }
        _ => again(bytes, |bytes| Session::decode(bytes).ok(), |session| session.encode().ok().map(String::into_bytes)),
    }
}

fn classic(channel: Channel<'_>, bytes: &[u8]) {
    again(bytes, |bytes| classic::decode(channel, "/", bytes).ok(), |envelope| classic::encode(envelope).ok());
}

/// What is read may change when it is written, such as `1.0` to `1`, but only once.
fn again<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Option<T>,
    encode: impl Fn(&T) -> Option<Vec<u8>>,
) {
    // What is for nobody, or too deep once it is written, is not written.
    let Some(written) = decode(bytes).as_ref().and_then(&encode) else { return };
    let found = decode(&written).expect("what was written can be read");
    let written = encode(&found).expect("what was written once can be written again");
    assert_eq!(decode(&written), Some(found));
}
