//! Requests as our clients send them, the body in one read with the head's end: they need no HTTP server, which costs polls
//! and sessions that begin with them 15 to 30 % of their CPU. It gets all others, from their first byte on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, header};
use tokio::io::{AsyncRead, ReadBuf};

use crate::response::is_last;
use crate::scratch;

/// A request with more headers is left to the HTTP server.
const MAX_HEADERS: usize = 32;

/// A head that is still cut when so much of it has come is left to the HTTP server.
const MAX_CUT: usize = 8 * 1024;

/// What came on a connection.
pub(crate) enum Heard {
    /// A request of ours.
    Whole(Box<Whole>),
    /// Something else, or a request that is not usual: the HTTP server reads on behind these bytes.
    Other(Bytes),
}

/// A request, all of it.
pub(crate) struct Whole {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    /// What came behind it.
    pub(crate) rest: Bytes,
}

/// What bytes are as a request.
enum Parsed {
    Whole(Box<Whole>),
    /// The end of the head is missing.
    Cut,
    Unusual,
}

impl Heard {
    /// Reads until the head of a request is there. `is_ours` tells by the path which requests are looked for, and `cut`
    /// keeps what has come of one.
    ///
    /// # Errors
    /// What the stream says; `UnexpectedEof` if it has ended.
    pub(crate) fn poll_read<S: AsyncRead + Unpin>(
        stream: &mut S,
        cx: &mut Context<'_>,
        cut: &mut Vec<u8>,
        is_ours: impl Fn(&str) -> bool,
    ) -> Poll<io::Result<Self>> {
        scratch::with(|buffer| {
            loop {
                let (before, room) = buffer.split_at_mut(cut.len());
                before.copy_from_slice(cut);
                let len = cut.len() + ready!(read(stream, cx, room))?.len();
                let bytes = &buffer[..len];
                match parse(bytes, &is_ours) {
                    Parsed::Whole(whole) => return Poll::Ready(Ok(Self::Whole(whole))),
                    Parsed::Cut if len < MAX_CUT => *cut = bytes.to_vec(),
                    Parsed::Cut | Parsed::Unusual => {
                        return Poll::Ready(Ok(Self::Other(Bytes::copy_from_slice(bytes))));
                    }
                }
            }
        })
    }
}

/// Reads what has come meanwhile, if anything has.
///
/// # Errors
/// What the stream says; `UnexpectedEof` if it has ended.
pub(crate) fn poll_more<S: AsyncRead + Unpin>(stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let mut buffer = [0; 1024];
    read(stream, cx, &mut buffer).map_ok(Bytes::copy_from_slice)
}

fn read<'b, S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    buffer: &'b mut [u8],
) -> Poll<io::Result<&'b [u8]>> {
    let mut read = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    let len = read.filled().len();
    match buffer.get(..len) {
        None | Some([]) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
        Some(bytes) => Poll::Ready(Ok(bytes)),
    }
}

fn parse(bytes: &[u8], is_ours: impl Fn(&str) -> bool) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => {
            whole(&request, bytes, len, is_ours).map_or(Parsed::Unusual, |whole| Parsed::Whole(Box::new(whole)))
        }
        Ok(httparse::Status::Partial) => Parsed::Cut,
        Err(_) => Parsed::Unusual,
    }
}

/// A whole request for one of our paths. What is unusual is `None`: all that could be read in two ways is.
fn whole(
    request: &httparse::Request<'_, '_>,
    bytes: &[u8],
    head_len: usize,
    is_ours: impl Fn(&str) -> bool,
) -> Option<Whole> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = match (request.method, request.version) {
        (Some("GET"), Some(1)) => Method::GET,
        (Some("POST"), Some(1)) => Method::POST,
        _ => return None,
    };
    head.uri = request.path.filter(|path| path.starts_with('/'))?.parse().ok()?;
    if !is_ours(head.uri.path()) {
        return None;
    }
    head.headers.reserve(request.headers.len());
    for header in &*request.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    let is_special = head.headers.contains_key(header::TRANSFER_ENCODING) || head.headers.contains_key(header::EXPECT);
    if is_special || is_last(&head.headers) {
        return None;
    }
    let (body, rest) = bytes.get(head_len..)?.split_at_checked(body_len(&head)?)?;
    Some(Whole { head, body: Bytes::copy_from_slice(body), rest: Bytes::copy_from_slice(rest) })
}

fn body_len(head: &Parts) -> Option<usize> {
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let announced = lengths.next();
    match (&head.method, announced, lengths.next()) {
        (&Method::GET, None, _) => Some(0),
        (&Method::POST, Some(len), None) => {
            len.to_str().ok().filter(|len| len.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Cursor;

    use tokio::io::AsyncReadExt;

    use super::*;

    const GET: &str = "GET /engine.io/?EIO=4 HTTP/1.1\r\nHost: a\r\nX: 1\r\nUpgrade: WebSocket\r\nx: 2\r\n\r\n";
    const POST: &str = "POST /engine.io/?EIO=4 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";

    fn is_ours(path: &str) -> bool {
        path == "/engine.io/"
    }

    fn parse(request: &str) -> Option<Whole> {
        match super::parse(request.as_bytes(), is_ours) {
            Parsed::Whole(whole) => Some(*whole),
            Parsed::Cut | Parsed::Unusual => None,
        }
    }

    #[test]
    fn a_whole_request_is_read_with_all_its_headers_and_its_body() {
        let Whole { head, body, rest } = parse(&format!("{GET}\u{1}\u{2}")).unwrap();
        assert_eq!(
            (head.uri.to_string().as_str(), &body[..], &rest[..]),
            ("/engine.io/?EIO=4", &b""[..], &b"\x01\x02"[..])
        );
        assert_eq!((head.method, head.version), (Method::GET, http::Version::HTTP_11));
        let values: Vec<_> = head.headers.get_all("x").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!((values, head.headers.len()), (vec![&b"1"[..], b"2"], 4));

        let Whole { head, body, rest } = parse(&format!("{POST}{GET}")).unwrap();
        assert_eq!((head.method, &body[..], &rest[..]), (Method::POST, &b"hello"[..], GET.as_bytes()));
    }

    #[test]
    fn a_cut_head_is_waited_for_and_a_cut_body_left_to_the_http_server() {
        for request in [GET, POST] {
            let head_len = request.find("\r\n\r\n").unwrap() + 4;
            for len in 0..request.len() {
                let parsed = super::parse(&request.as_bytes()[..len], is_ours);
                assert_eq!(matches!(parsed, Parsed::Cut), len < head_len, "{len} bytes of {request}");
                assert!(!matches!(parsed, Parsed::Whole(_)));
            }
        }
    }

    #[tokio::test]
    async fn a_request_is_heard_however_it_is_cut() {
        for len in 1..GET.len() {
            let mut stream = in_pieces(&[&GET.as_bytes()[..len], &GET.as_bytes()[len..]]);
            let mut cut = Vec::new();
            let heard = poll_fn(|cx| Heard::poll_read(&mut stream, cx, &mut cut, is_ours)).await.unwrap();
            assert!(matches!(heard, Heard::Whole(whole) if whole.head.headers.len() == 4), "cut at {len}");
        }
        let endless = "GET / HTTP/1.1\r\nX: ".to_owned() + &"x".repeat(MAX_CUT);
        let mut stream = in_pieces(&[endless.as_bytes()]);
        let heard = poll_fn(|cx| Heard::poll_read(&mut stream, cx, &mut Vec::new(), is_ours)).await.unwrap();
        assert!(matches!(heard, Heard::Other(bytes) if bytes == endless));
    }

    /// A stream that gives one piece at each read, and then no more.
    fn in_pieces(pieces: &[&[u8]]) -> impl AsyncRead + Unpin + use<> {
        let chained = pieces.iter().map(|piece| Cursor::new(piece.to_vec()));
        chained.fold(Box::new(tokio::io::empty()) as Box<dyn AsyncRead + Unpin>, |before, piece| {
            Box::new(before.chain(piece))
        })
    }

    #[test]
    fn what_is_unusual_is_left_to_the_http_server() {
        let many = format!("\r\n{}\r\n", "X: 1\r\n".repeat(MAX_HEADERS));
        for (request, from, to) in [
            (GET, "GET", "PUT"),
            (GET, "GET", "POST"),
            (GET, "HTTP/1.1", "HTTP/1.0"),
            (GET, "/engine.io/", "/engine.iox/"),
            (GET, "/engine.io/", "http://a/engine.io/"),
            (GET, "X: 1", "Content-Length: 0"),
            (GET, "X: 1", "Connection: keep-alive, Close"),
            (GET, "X: 1", "Expect: 100-continue"),
            (GET, "X: 1", "X: \u{1}"),
            (GET, "X: 1", "X : 1"),
            (GET, "X: 1", " X: 1"),
            (GET, "\r\n\r\n", &many),
            (POST, "POST", "GET"),
            (POST, "Length: 5", "Length: 6"),
            (POST, "Length: 5", "Length: +5"),
            (POST, "Length: 5", "Length: 5, 5"),
            (POST, "Length: 5", "Length: 5\r\nContent-Length: 5"),
            (POST, "Length: 5", "Length: 5\r\nTransfer-Encoding: chunked"),
            (POST, "Content-Length: 5", "Transfer-Encoding: chunked"),
            (POST, "Length: 5", "Length: 99999999999999999999999999"),
        ] {
            assert!(parse(&request.replacen(from, to, 1)).is_none(), "{from} -> {to}");
        }
    }
}
