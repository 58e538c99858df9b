//! One packet, framed once for all who get it.

use std::sync::OnceLock;

use bytes::Bytes;
use sockeye_protocol::engine::Protocol;
use sockeye_websocket::{MAX_SERVER_HEADER, Opcode, write_header};

/// Text with its attachments as complete WebSocket frames, shared by all recipients.
///
/// Text without attachments has one form for all; binary frames differ between the protocols, and each form is made
/// when the first recipient needs it, at most once.
#[derive(Debug)]
pub struct Frames {
    /// The frame of the text, if there is one.
    text: Bytes,
    attachments: Vec<Bytes>,
    protocol_3: OnceLock<Bytes>,
    protocol_4: OnceLock<Bytes>,
}

impl Frames {
    /// Frames one text message and the binary messages that follow it.
    ///
    /// All of them reach a client one behind the other, with nothing between them.
    pub fn new(text: &[u8], attachments: Vec<Bytes>) -> Self {
        let mut frame = Vec::with_capacity(text.len() + 1 + MAX_SERVER_HEADER);
        write_text(&mut frame, text);
        Self { text: frame.into(), attachments, protocol_3: OnceLock::new(), protocol_4: OnceLock::new() }
    }

    /// Frames binary messages that follow no text. They reach a client with nothing between them.
    pub fn binary(messages: Vec<Bytes>) -> Self {
        Self { text: Bytes::new(), attachments: messages, protocol_3: OnceLock::new(), protocol_4: OnceLock::new() }
    }

    /// The frames for clients of this protocol.
    pub(crate) fn encoded(&self, protocol: Protocol) -> &Bytes {
        if self.attachments.is_empty() {
            return &self.text;
        }
        let form = match protocol {
            Protocol::V3 => &self.protocol_3,
            Protocol::V4 => &self.protocol_4,
        };
        form.get_or_init(|| {
            let binary: usize = self.attachments.iter().map(|bytes| bytes.len() + 1 + MAX_SERVER_HEADER).sum();
            let mut frames = Vec::with_capacity(self.text.len() + binary);
            frames.extend_from_slice(&self.text);
            self.attachments.iter().for_each(|bytes| write_binary(&mut frames, protocol, bytes));
            frames.into()
        })
    }
}

/// Appends the frame of a text message: header, the engine's packet type, the text.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    write_header(out, Opcode::Text, text.len() + 1);
    out.push(b'4');
    out.extend_from_slice(text);
}

/// Appends the frame of a binary message, which protocol 3 begins with the packet type as a byte.
pub(crate) fn write_binary(out: &mut Vec<u8>, protocol: Protocol, bytes: &[u8]) {
    match protocol {
        Protocol::V3 => {
            write_header(out, Opcode::Binary, bytes.len() + 1);
            out.push(4);
        }
        Protocol::V4 => write_header(out, Opcode::Binary, bytes.len()),
    }
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_form_for_all() {
        let frames = Frames::new(b"2[\"a\"]", vec![]);
        assert_eq!(&frames.encoded(Protocol::V4)[..], b"\x81\x0742[\"a\"]");
        assert_eq!(frames.encoded(Protocol::V3).as_ptr(), frames.encoded(Protocol::V4).as_ptr());
    }

    #[test]
    fn attachments_follow_their_text_in_the_form_of_the_protocol() {
        let frames = Frames::new(b"5", vec![Bytes::from_static(b"\x01\x02")]);
        assert_eq!(&frames.encoded(Protocol::V4)[..], b"\x81\x0245\x82\x02\x01\x02");
        assert_eq!(&frames.encoded(Protocol::V3)[..], b"\x81\x0245\x82\x03\x04\x01\x02");
        assert_eq!(frames.encoded(Protocol::V3).as_ptr(), frames.encoded(Protocol::V3).as_ptr());
    }

    #[test]
    fn bytes_need_no_text() {
        let frames = Frames::binary(vec![Bytes::from_static(b"\x01\x02"), Bytes::new()]);
        assert_eq!(&frames.encoded(Protocol::V4)[..], b"\x82\x02\x01\x02\x82\x00");
        assert_eq!(&frames.encoded(Protocol::V3)[..], b"\x82\x03\x04\x01\x02\x82\x01\x04");
    }
}
