//! One packet, framed once for all who get it.

use std::sync::OnceLock;

use bytes::Bytes;
use sockeye_protocol::engine::Protocol;
use sockeye_websocket::deflate::Deflate;
use sockeye_websocket::{MAX_SERVER_HEADER, Opcode, write_header};

use crate::deflate::compressed;

/// Text with its attachments as complete WebSocket frames, shared by all recipients.
///
/// Text without attachments has one form for all; binary frames differ between the protocols, and some recipients want
/// the text compressed. Each form is made when the first recipient needs it, at most once.
#[derive(Debug)]
pub struct Frames {
    /// The frame of the text, if there is one.
    plain: Form,
    compressed: OnceLock<Form>,
    attachments: Vec<Bytes>,
}

/// The text in one encoding, and with its attachments in each protocol.
#[derive(Debug)]
struct Form {
    text: Bytes,
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
        Self { plain: Form::new(frame.into()), compressed: OnceLock::new(), attachments }
    }

    /// Frames binary messages that follow no text. They reach a client with nothing between them.
    pub fn binary(messages: Vec<Bytes>) -> Self {
        Self { plain: Form::new(Bytes::new()), compressed: OnceLock::new(), attachments: messages }
    }

    /// How many bytes there are to compress.
    pub(crate) fn compressible(&self) -> usize {
        self.plain.text.len()
    }

    /// The frames for clients of this protocol, and of this agreement on compression, which is the same for all.
    pub(crate) fn encoded(&self, protocol: Protocol, deflate: Option<Deflate>) -> &Bytes {
        let form = match deflate {
            None => &self.plain,
            Some(deflate) => self.compressed.get_or_init(|| {
                let plain = &self.plain.text;
                Form::new(compressed(plain, deflate).unwrap_or_else(|| plain.clone()))
            }),
        };
        form.with(&self.attachments, protocol)
    }
}

impl Form {
    fn new(text: Bytes) -> Self {
        Self { text, protocol_3: OnceLock::new(), protocol_4: OnceLock::new() }
    }

    fn with(&self, attachments: &[Bytes], protocol: Protocol) -> &Bytes {
        if attachments.is_empty() {
            return &self.text;
        }
        let whole = match protocol {
            Protocol::V3 => &self.protocol_3,
            Protocol::V4 => &self.protocol_4,
        };
        whole.get_or_init(|| {
            let binary: usize = attachments.iter().map(|bytes| bytes.len() + 1 + MAX_SERVER_HEADER).sum();
            let mut frames = Vec::with_capacity(self.text.len() + binary);
            frames.extend_from_slice(&self.text);
            for bytes in attachments {
                write_binary(&mut frames, protocol, bytes);
            }
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
        assert_eq!(&frames.encoded(Protocol::V4, None)[..], b"\x81\x0742[\"a\"]");
        assert_eq!(frames.encoded(Protocol::V3, None).as_ptr(), frames.encoded(Protocol::V4, None).as_ptr());
    }

    #[test]
    fn attachments_follow_their_text_in_the_form_of_the_protocol() {
        let frames = Frames::new(b"5", vec![Bytes::from_static(b"\x01\x02")]);
        assert_eq!(&frames.encoded(Protocol::V4, None)[..], b"\x81\x0245\x82\x02\x01\x02");
        assert_eq!(&frames.encoded(Protocol::V3, None)[..], b"\x81\x0245\x82\x03\x04\x01\x02");
        assert_eq!(frames.encoded(Protocol::V3, None).as_ptr(), frames.encoded(Protocol::V3, None).as_ptr());
    }

    #[test]
    fn text_is_compressed_once_for_all_and_its_attachments_are_not() {
        let mut request = http::HeaderMap::new();
        request.insert("sec-websocket-extensions", http::HeaderValue::from_static("permessage-deflate"));
        let deflate = sockeye_websocket::deflate::negotiate(&request, sockeye_websocket::deflate::Config::default());
        let text = [b'x'; 2000];
        let frames = Frames::new(&text, vec![]);
        let compressed = frames.encoded(Protocol::V4, deflate);
        assert!(compressed[0] == 0xc1 && compressed.len() < 40, "{compressed:?}");
        assert_eq!(compressed.as_ptr(), frames.encoded(Protocol::V3, deflate).as_ptr());
        assert_eq!(frames.encoded(Protocol::V4, None).len(), 2005);

        let frames = Frames::new(&text, vec![Bytes::from_static(&[7; 3000])]);
        let attachment = [&b"\x82\x7e\x0b\xb8"[..], &[7; 3000]].concat();
        let whole = frames.encoded(Protocol::V4, deflate);
        assert_eq!(whole.strip_suffix(&*attachment), Some(&compressed[..]));

        let mut noise = [0; 2000];
        rand::fill(&mut noise);
        let frames = Frames::new(&noise, vec![]);
        assert_eq!(frames.encoded(Protocol::V4, deflate).as_ptr(), frames.encoded(Protocol::V4, None).as_ptr());
    }

    #[test]
    fn bytes_need_no_text() {
        let frames = Frames::binary(vec![Bytes::from_static(b"\x01\x02"), Bytes::new()]);
        assert_eq!(&frames.encoded(Protocol::V4, None)[..], b"\x82\x02\x01\x02\x82\x00");
        assert_eq!(&frames.encoded(Protocol::V3, None)[..], b"\x82\x03\x04\x01\x02\x82\x01\x04");
    }
}
