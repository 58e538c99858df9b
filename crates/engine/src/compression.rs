//! Compressing the answers to polls: which of them, in which form, and where.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, header};
use sockeye_protocol::engine::ContentCoding;

/// Whether the answers to polls are compressed. WebSocket has a setting of its own.
///
/// ```
/// use sockeye_engine::{EngineConfig, HttpCompression};
///
/// let config = EngineConfig::default().http_compression(HttpCompression::off());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpCompression {
    /// From how many bytes on.
    threshold: Option<usize>,
}

impl Default for HttpCompression {
    fn default() -> Self {
        Self::above(1024)
    }
}

impl HttpCompression {
    /// Answers of this many bytes and more are compressed, if the client takes that. The default is 1024, as in Node.
    pub const fn above(bytes: usize) -> Self {
        Self { threshold: Some(bytes) }
    }

    /// Nothing is compressed.
    pub const fn off() -> Self {
        Self { threshold: None }
    }

    /// The form of an answer of this length to a request with these headers, if it is to be compressed.
    pub(crate) fn coding(self, length: usize, request: &HeaderMap) -> Option<ContentCoding> {
        self.threshold.filter(|threshold| length >= *threshold)?;
        ContentCoding::choose(request.get(header::ACCEPT_ENCODING)?.to_str().ok()?, &CODINGS)
    }
}

/// Those that cost the server least first.
const CODINGS: [ContentCoding; 3] = [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli];

/// Beyond this length a body is compressed on a thread that may take its time, for the event loop must not.
///
/// Measured on a busy core with chat messages: 16 KiB take 0.16 ms as gzip and 0.26 ms as brotli, 64 KiB 0.8 ms, 1 MiB 20 ms.
pub(crate) const MOST_IN_PLACE: usize = 32 * 1024;

/// Node's 6 takes nearly twice the time of 3 for 5 % less.
const GZIP_LEVEL: Level = Level::new(3);
/// Quality, and the base-two logarithm of the window. As fast as gzip, and its memory stays below 1 MB.
const BROTLI: (u32, u32) = (3, 18);
const BROTLI_BUFFER: usize = 4096;

/// The body in this form.
///
/// # Errors
/// None that is known: it writes to memory.
pub(crate) fn encode(coding: ContentCoding, body: &[u8]) -> io::Result<Bytes> {
    let out = Vec::with_capacity(body.len() / 4);
    let out = match coding {
        ContentCoding::Gzip => write(GzEncoder::new(out, GZIP_LEVEL), body)?.finish()?,
        ContentCoding::Deflate => write(ZlibEncoder::new(out, GZIP_LEVEL), body)?.finish()?,
        ContentCoding::Brotli => {
            write(CompressorWriter::new(out, BROTLI_BUFFER, BROTLI.0, BROTLI.1), body)?.into_inner()
        }
    };
    Ok(out.into())
}

fn write<W: Write>(mut encoder: W, body: &[u8]) -> io::Result<W> {
    encoder.write_all(body)?;
    Ok(encoder)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use http::HeaderValue;

    use super::*;
    use ContentCoding::*;

    #[test]
    fn only_long_answers_are_compressed() {
        let headers = |accept: &[u8]| {
            let value = HeaderValue::from_bytes(accept).unwrap();
            HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)])
        };
        let compression = HttpCompression::default();
        assert_eq!(compression.coding(1023, &headers(b"gzip")), None);
        assert_eq!(compression.coding(1024, &headers(b"gzip")), Some(Gzip));
        assert_eq!(compression.coding(1024, &HeaderMap::new()), None);
        assert_eq!(compression.coding(1024, &headers(b"gzip\xff")), None);
        assert_eq!(HttpCompression::off().coding(1 << 20, &headers(b"gzip")), None);
        assert_eq!(HttpCompression::above(0).coding(0, &headers(b"br")), Some(Brotli));
    }

    #[test]
    fn each_form_is_read_again() {
        let body = b"42[\"chat message\",\"hello\"]\x1e".repeat(2000);
        let mut plain = Vec::new();
        let gzip = encode(Gzip, &body).unwrap();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut plain).unwrap();
        let deflate = encode(Deflate, &body).unwrap();
        flate2::read::ZlibDecoder::new(&deflate[..]).read_to_end(&mut plain).unwrap();
        let brotli = encode(Brotli, &body).unwrap();
        brotli::Decompressor::new(&brotli[..], 4096).read_to_end(&mut plain).unwrap();
        assert!(plain == body.repeat(3));
        assert!([gzip, deflate, brotli].iter().all(|form| form.len() < body.len() / 10));
    }
}
