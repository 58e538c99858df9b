//! One packet, framed once for all who get it.

use std::sync::OnceLock;

use bytes::Bytes;
use sockeye_protocol::engine::{Packet, PeerEncoding, Protocol};
use sockeye_websocket::deflate::Deflate;
use sockeye_websocket::{MAX_SERVER_HEADER, Opcode, write_header};

use crate::deflate::compressed;

/// Text with its attachments as complete WebSocket frames, shared by all recipients.
///
/// Text without attachments has one form for all; binary frames differ by protocol and `b64`, and some recipients
/// want the text compressed. Each form is made when the first recipient needs it, at most once.
#[derive(Debug)]
pub struct Frames {
    /// The frame of the text, if there is one.
    plain: Form,
    compressed: OnceLock<Form>,
    attachments: Vec<Bytes>,
}

/// The text in one encoding, and with its attachments in each dialect.
#[derive(Debug)]
struct Form {
    text: Bytes,
    /// How the binary messages are compressed: only where no text goes before them, for then they are no attachments.
    binaries: Option<Deflate>,
    wholes: [OnceLock<Bytes>; 4],
}

/// In which form a client takes binary messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) protocol: Protocol,
    /// On WebSocket too a client may have asked for text only, by `b64`.
    pub(crate) peer: PeerEncoding,
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

    /// The same packet without the forms that recipients have needed, for whoever keeps it: it has no more bytes than its
    /// text and its attachments, which are shared.
    #[must_use]
    pub fn without_forms(&self) -> Self {
        let (text, attachments) = (self.plain.text.clone(), self.attachments.clone());
        Self { plain: Form::new(text), compressed: OnceLock::new(), attachments }
    }

    /// How many bytes there are to compress in one message.
    pub(crate) fn compressible(&self) -> usize {
        if self.plain.text.is_empty() {
            return self.attachments.iter().map(Bytes::len).max().unwrap_or_default();
        }
        self.plain.text.len()
    }

    /// The frames for clients of this dialect, and of this agreement on compression, which is the same for all.
    pub(crate) fn encoded(&self, dialect: Dialect, deflate: Option<Deflate>) -> &Bytes {
        let form = match deflate {
            None => &self.plain,
            Some(deflate) => self.compressed.get_or_init(|| {
                let plain = &self.plain.text;
                let text = compressed(plain, deflate).unwrap_or_else(|| plain.clone());
                Form { binaries: plain.is_empty().then_some(deflate), ..Form::new(text) }
            }),
        };
        form.with(&self.attachments, dialect)
    }
}

impl Form {
    fn new(text: Bytes) -> Self {
        Self { text, binaries: None, wholes: Default::default() }
    }

    fn with(&self, attachments: &[Bytes], dialect: Dialect) -> &Bytes {
        if attachments.is_empty() {
            return &self.text;
        }
        let [old_binary, old_text, new_binary, new_text] = &self.wholes;
        let whole = match (dialect.protocol, dialect.peer) {
            (Protocol::V3, PeerEncoding::BinaryCapable) => old_binary,
            (Protocol::V3, PeerEncoding::TextOnly) => old_text,
            (Protocol::V4, PeerEncoding::BinaryCapable) => new_binary,
            (Protocol::V4, PeerEncoding::TextOnly) => new_text,
        };
        whole.get_or_init(|| {
            let binary: usize = attachments.iter().map(|bytes| bytes.len() + 1 + MAX_SERVER_HEADER).sum();
            let mut frames = Vec::with_capacity(self.text.len() + binary);
            frames.extend_from_slice(&self.text);
            for bytes in attachments {
                let start = frames.len();
                write_binary(&mut frames, dialect, bytes);
                if let Some(compressed) = self.binaries.and_then(|deflate| compressed(&frames[start..], deflate)) {
                    frames.truncate(start);
                    frames.extend_from_slice(&compressed);
                }
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

/// Appends the frame of a binary message: as base64 for who takes text only, else behind protocol 3's type byte.
pub(crate) fn write_binary(out: &mut Vec<u8>, dialect: Dialect, bytes: &[u8]) {
    match dialect.peer {
        PeerEncoding::BinaryCapable => {
            let prefix = dialect.protocol.binary_prefix();
            write_header(out, Opcode::Binary, prefix.len() + bytes.len());
            out.extend_from_slice(prefix);
            out.extend_from_slice(bytes);
        }
        PeerEncoding::TextOnly => {
            let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4 + 2);
            Packet::binary(bytes).write_text(dialect.protocol, &mut text);
            write_header(out, Opcode::Text, text.len());
            out.extend_from_slice(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Dialect = Dialect { protocol: Protocol::V3, peer: PeerEncoding::BinaryCapable };
    const NEW: Dialect = Dialect { protocol: Protocol::V4, peer: PeerEncoding::BinaryCapable };

    #[test]
    fn text_has_one_form_for_all() {
        let frames = Frames::new(b"2[\"a\"]", vec![]);
        assert_eq!(&frames.encoded(NEW, None)[..], b"\x81\x0742[\"a\"]");
        assert_eq!(frames.encoded(OLD, None).as_ptr(), frames.encoded(NEW, None).as_ptr());
    }

    #[test]
    fn attachments_follow_their_text_in_the_form_of_the_dialect() {
        let frames = Frames::new(b"5", vec![Bytes::from_static(b"\x01\x02")]);
        assert_eq!(&frames.encoded(NEW, None)[..], b"\x81\x0245\x82\x02\x01\x02");
        assert_eq!(&frames.encoded(OLD, None)[..], b"\x81\x0245\x82\x03\x04\x01\x02");
        assert_eq!(frames.encoded(OLD, None).as_ptr(), frames.encoded(OLD, None).as_ptr());
        let text_only = |dialect| Dialect { peer: PeerEncoding::TextOnly, ..dialect };
        assert_eq!(&frames.encoded(text_only(NEW), None)[..], b"\x81\x0245\x81\x05bAQI=");
        assert_eq!(&frames.encoded(text_only(OLD), None)[..], b"\x81\x0245\x81\x06b4AQI=");
    }

    #[test]
    fn text_is_compressed_once_for_all_and_its_attachments_are_not() {
        let mut request = http::HeaderMap::new();
        request.insert("sec-websocket-extensions", http::HeaderValue::from_static("permessage-deflate"));
        let deflate = sockeye_websocket::deflate::negotiate(&request, sockeye_websocket::deflate::Config::default());
        let text = [b'x'; 2000];
        let frames = Frames::new(&text, vec![]);
        let compressed = frames.encoded(NEW, deflate);
        assert!(compressed[0] == 0xc1 && compressed.len() < 40, "{compressed:?}");
        assert_eq!(compressed.as_ptr(), frames.encoded(OLD, deflate).as_ptr());
        assert_eq!(frames.encoded(NEW, None).len(), 2005);

        let frames = Frames::new(&text, vec![Bytes::from_static(&[7; 3000])]);
        let attachment = [&b"\x82\x7e\x0b\xb8"[..], &[7; 3000]].concat();
        let whole = frames.encoded(NEW, deflate);
        assert_eq!(whole.strip_suffix(&*attachment), Some(&compressed[..]));

        let mut noise = [0; 2000];
        rand::fill(&mut noise);
        let frames = Frames::new(&noise, vec![]);
        assert_eq!(frames.encoded(NEW, deflate).as_ptr(), frames.encoded(NEW, None).as_ptr());
    }

    #[test]
    fn bytes_without_a_text_are_no_attachments_and_compressed() {
        let mut request = http::HeaderMap::new();
        request.insert("sec-websocket-extensions", http::HeaderValue::from_static("permessage-deflate"));
        let deflate = sockeye_websocket::deflate::negotiate(&request, sockeye_websocket::deflate::Config::default());
        let frames = Frames::binary(vec![Bytes::from_static(b"\x01"), Bytes::from_static(&[7; 3000])]);
        assert_eq!(frames.compressible(), 3000);
        let compressed = frames.encoded(NEW, deflate);
        assert!(compressed.starts_with(b"\x82\x01\x01\xc2") && compressed.len() < 40, "{compressed:?}");
        assert_eq!(compressed.as_ptr(), frames.encoded(NEW, deflate).as_ptr());
        assert_eq!(frames.encoded(NEW, None).len(), 3 + 3004);
    }

    #[test]
    fn bytes_need_no_text() {
        let frames = Frames::binary(vec![Bytes::from_static(b"\x01\x02"), Bytes::new()]);
        assert_eq!(&frames.encoded(NEW, None)[..], b"\x82\x02\x01\x02\x82\x00");
        assert_eq!(&frames.encoded(OLD, None)[..], b"\x82\x03\x04\x01\x02\x82\x01\x04");
    }
}
