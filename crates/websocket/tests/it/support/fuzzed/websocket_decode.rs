//! Streams of frames: the same messages however they are cut into reads, and none too long.

use http::{HeaderMap, header::SEC_WEBSOCKET_EXTENSIONS};
use sockeye_websocket::deflate::{self, Deflate};
use sockeye_websocket::{Decoder, Input, Limits, Message, ProtocolError, Role, frames};

/// Decodes any bytes: the first two choose role, compression and the size of the reads, the rest is the stream.
///
/// # Panics
/// If the result depends on how the stream was cut into reads, or a message is longer than the limit.
pub(crate) fn run(bytes: &[u8]) {
    let [choice, read_size, stream @ ..] = bytes else { return };
    let role = if choice & 1 == 0 { Role::Server } else { Role::Client };
    let agreed = (choice & 2 != 0).then(agreed).flatten();
    let at_once = read_in(role, agreed, stream, stream.len().max(1));
    let in_pieces = read_in(role, agreed, stream, usize::from(*read_size).max(1));
    assert_eq!(at_once, in_pieces);
    assert!(frames(stream).all(|(_, payload)| payload.len() <= stream.len()));
}

const MAX_MESSAGE: usize = 4_096;

type Outcome = (Vec<Message<'static>>, Option<ProtocolError>, bool);

fn read_in(role: Role, agreed: Option<Deflate>, stream: &[u8], read_size: usize) -> Outcome {
    let limits = Limits::default().max_message(MAX_MESSAGE).max_fragments(8);
    let mut decoder = Decoder::new(role, limits).with_deflate(agreed);
    let mut messages = Vec::new();
    for read in stream.chunks(read_size) {
        let mut read = read.to_vec();
        let mut input = Input::new(&mut read);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => {
                    assert!(message.payload().len() <= MAX_MESSAGE);
                    messages.push(message.into_owned());
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error.close_code(), 1002 | 1007..=1009));
                    return (messages, Some(error), decoder.is_idle());
                }
            }
        }
        assert!(input.is_empty());
    }
    (messages, None, decoder.is_idle())
}

fn agreed() -> Option<Deflate> {
    let request = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, deflate::offer())]);
    deflate::negotiate(&request, deflate::Config::default())
}
