//! Compressing the answers to polls: which of them, in which form, and where.

use std::io::{self, Write};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, header};

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
    pub(crate) fn coding(self, length: usize, request: &HeaderMap) -> Option<Coding> {
        self.threshold.filter(|threshold| length >= *threshold)?;
        Coding::choose(request.get(header::ACCEPT_ENCODING)?.to_str().ok()?)
    }
}

/// A compressed form, in the order in which we like to make them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

/// Beyond this length a body is compressed on a thread that may take its time, for the event loop must not.
///
/// Measured on a busy core with chat messages: 16 KiB take 0.16 ms as gzip and 0.26 ms as brotli, 64 KiB 0.8 ms, 1 MiB 20 ms.
pub(crate) const MOST_IN_PLACE: usize = 32 * 1024;

/// Node's 6 takes nearly twice the time of 3 for 5 % less.
const GZIP_LEVEL: Level = Level::new(3);
/// Quality, and the base-two logarithm of the window. As fast as gzip, and its memory stays below 1 MB.
const BROTLI: (u32, u32) = (3, 18);
const BROTLI_BUFFER: usize = 4096;

impl Coding {
    /// Chooses by the value of `Accept-Encoding` (RFC 9110, 12.5.3): the highest weight wins, and among equals gzip, then
    /// deflate. The plain form wins only where it is weighted higher than each of ours.
    fn choose(accept: &str) -> Option<Self> {
        let mut best = (None, 0);
        for coding in [Self::Gzip, Self::Deflate, Self::Brotli] {
            let weight = weight(accept, coding.name()).unwrap_or(0);
            if weight > best.1 {
                best = (Some(coding), weight);
            }
        }
        let plain_is_preferred = weight(accept, "identity").is_some_and(|weight| weight > best.1);
        best.0.filter(|_| !plain_is_preferred)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        }
    }

    /// The value of `Content-Encoding`.
    pub(crate) fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The body in this form.
    ///
    /// # Errors
    /// None that is known: it writes to memory.
    pub(crate) fn encode(self, body: &[u8]) -> io::Result<Bytes> {
        let out = Vec::with_capacity(body.len() / 4);
        let out = match self {
            Self::Gzip => write(GzEncoder::new(out, GZIP_LEVEL), body)?.finish()?,
            // The name is that of the format with zlib's header, not of the bare one.
            Self::Deflate => write(ZlibEncoder::new(out, GZIP_LEVEL), body)?.finish()?,
            Self::Brotli => write(CompressorWriter::new(out, BROTLI_BUFFER, BROTLI.0, BROTLI.1), body)?.into_inner(),
        };
        Ok(out.into())
    }
}

fn write<W: Write>(mut encoder: W, body: &[u8]) -> io::Result<W> {
    encoder.write_all(body)?;
    Ok(encoder)
}

/// The weight of a coding in thousandths, by its own entry or else that of `*`; none if neither is there.
fn weight(accept: &str, name: &str) -> Option<u16> {
    let mut any = None;
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let is_own = coding.eq_ignore_ascii_case(name);
        if !is_own && coding != "*" {
            continue;
        }
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1000, thousandths);
        if is_own {
            return Some(weight);
        }
        any = Some(weight);
    }
    any
}

/// Reads a weight such as `0.5`. One that can't be read counts as 0.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    match (whole, fraction.len()) {
        ("1", _) => 1000,
        ("0", 0..=3) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{Coding::*, *};

    #[track_caller]
    fn check(accept: &str, chosen: Option<Coding>) {
        assert_eq!(Coding::choose(accept), chosen, "{accept:?}");
    }

    #[test]
    fn gzip_goes_before_deflate_before_brotli() {
        check("gzip, deflate, br, zstd", Some(Gzip));
        check("deflate, gzip", Some(Gzip));
        check("br, deflate", Some(Deflate));
        check("br", Some(Brotli));
        check("GZIP", Some(Gzip));
        check("*", Some(Gzip));
        check("gzip;q=0, *", Some(Deflate));
    }

    #[test]
    fn weights_go_before_all() {
        check("gzip;q=0.5, br", Some(Brotli));
        check("gzip;q=0.8, deflate;q=0.9, br;q=0.85", Some(Deflate));
        check("gzip;q=1.0, br;q=1", Some(Gzip));
        check("gzip;q=0.5, identity", None);
        check("gzip;q=0.5, identity;q=0.4", Some(Gzip));
        check("identity;q=0, gzip;q=0.001", Some(Gzip));
    }

    #[test]
    fn what_is_refused_or_unknown_is_not_sent() {
        for accept in
            ["", "identity", "zstd", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=x", "gzip;q=-1", ";;,", "gzipx"]
        {
            check(accept, None);
        }
    }

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
        let gzip = Gzip.encode(&body).unwrap();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut plain).unwrap();
        let deflate = Deflate.encode(&body).unwrap();
        flate2::read::ZlibDecoder::new(&deflate[..]).read_to_end(&mut plain).unwrap();
        let brotli = Brotli.encode(&body).unwrap();
        brotli::Decompressor::new(&brotli[..], 4096).read_to_end(&mut plain).unwrap();
        assert!(plain == body.repeat(3));
        assert!([gzip, deflate, brotli].iter().all(|form| form.len() < body.len() / 10));
    }
}
