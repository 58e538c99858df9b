//! What a client sends first. A WebSocket's request is answered without an HTTP server, whose price is most of a connect.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tokio::io::{AsyncRead, ReadBuf};

use crate::body::Body;
use crate::service::is_upgrade;

/// How much is looked at. A request with a longer head goes the long way.
const MAX_GREETING: usize = 4096;
/// A request with more headers goes the long way too.
const MAX_HEADERS: usize = 32;

/// What came first on a connection.
pub(crate) enum Greeting {
    /// The head of a WebSocket request, and what came behind it.
    WebSocket { head: Box<Parts>, first: Bytes },
    /// Something else, or not the whole of it: the HTTP server reads on behind these bytes.
    Other(Bytes),
}

impl Greeting {
    /// Reads once. `is_ours` tells by the path whose WebSocket requests are looked for.
    pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S, is_ours: impl Fn(&str) -> bool) -> io::Result<Self> {
        poll_fn(|cx| Self::poll_read(stream, cx, &is_ours)).await
    }

    fn poll_read<S: AsyncRead + Unpin>(
        stream: &mut S,
        cx: &mut Context<'_>,
        is_ours: impl Fn(&str) -> bool,
    ) -> Poll<io::Result<Self>> {
        let mut buffer = [MaybeUninit::uninit(); MAX_GREETING];
        let mut buffer = ReadBuf::uninit(&mut buffer);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled();
        if bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(match parse(bytes, is_ours) {
            Some((head, first)) => Self::WebSocket { head: Box::new(head), first: Bytes::copy_from_slice(first) },
            None => Self::Other(Bytes::copy_from_slice(bytes)),
        }))
    }
}

/// The head of a whole WebSocket request for one of our paths, and what follows it.
fn parse(bytes: &[u8], is_ours: impl Fn(&str) -> bool) -> Option<(Parts, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = request.parse(bytes).ok()? else { return None };
    if request.method != Some("GET") || request.version != Some(1) {
        return None;
    }
    let (mut head, ()) = Request::new(()).into_parts();
    head.uri = request.path.filter(|path| path.starts_with('/'))?.parse().ok()?;
    if !is_ours(head.uri.path()) {
        return None;
    }
    head.headers.reserve(request.headers.len());
    for header in request.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    let has_body =
        head.headers.contains_key(header::CONTENT_LENGTH) || head.headers.contains_key(header::TRANSFER_ENCODING);
    (is_upgrade(&head) && !has_body).then_some((head, bytes.get(len..)?))
}

/// An answer as it is sent: what is no `101` ends the connection.
pub(crate) fn write(mut response: Response<Body>) -> Vec<u8> {
    let (status, body) = (response.status(), std::mem::take(response.body_mut()).into_bytes());
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        headers.extend(HeaderValue::try_from(date).ok().map(|date| (header::DATE, date)));
    }
    let mut out = Vec::with_capacity(256 + body.len());
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /engine.io/?EIO=4 HTTP/1.1\r\nHost: a\r\nX: 1\r\nUpgrade: WebSocket\r\nx: 2\r\n\r\n";

    fn is_ours(path: &str) -> bool {
        path == "/engine.io/"
    }

    #[test]
    fn a_websocket_request_is_read_with_all_its_headers() {
        let bytes = [REQUEST.as_bytes(), b"\x81\x80"].concat();
        let (head, first) = parse(&bytes, is_ours).unwrap();
        assert_eq!((head.uri.to_string().as_str(), first), ("/engine.io/?EIO=4", &b"\x81\x80"[..]));
        assert_eq!((head.method, head.version), (http::Method::GET, http::Version::HTTP_11));
        let values: Vec<_> = head.headers.get_all("x").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!((values, head.headers.len()), (vec![&b"1"[..], b"2"], 4));
    }

    #[test]
    fn all_else_goes_the_long_way() {
        for len in 0..REQUEST.len() {
            assert!(parse(&REQUEST.as_bytes()[..len], is_ours).is_none(), "{len} bytes of it");
        }
        let many = format!("\r\n{}\r\n", "X: 1\r\n".repeat(MAX_HEADERS));
        for (from, to) in [
            ("GET", "POST"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("WebSocket", "h2c"),
            ("Upgrade", "Up"),
            ("/engine.io/", "/engine.iox/"),
            ("/engine.io/", "http://a/engine.io/"),
            ("X: 1", "Content-Length: 1"),
            ("X: 1", "Transfer-Encoding: chunked"),
            ("X: 1", "X: \u{1}"),
            ("X: 1", "X : 1"),
            ("\r\n\r\n", &many),
        ] {
            assert!(parse(REQUEST.replacen(from, to, 1).as_bytes(), is_ours).is_none(), "{from} -> {to}");
        }
    }

    #[test]
    fn answers_are_written_as_http() {
        let switching = Response::builder().status(101).header("Upgrade", "websocket").body(Body::default()).unwrap();
        assert_eq!(write(switching), b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n");
        let refused = write(Response::builder().status(400).body(Body::from("why")).unwrap());
        let refused = String::from_utf8(refused).unwrap();
        let expected = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 3\r\ndate: ";
        assert!(refused.starts_with(expected) && refused.ends_with(" GMT\r\n\r\nwhy"), "{refused}");
    }
}
