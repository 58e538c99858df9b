//! Answers as they are sent where no HTTP server does it.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::body::Body;

thread_local! {
    /// The last date that was written, and the second at which it was.
    static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// A longer body is not copied behind the head.
const MAX_COPIED: usize = 8 * 1024;

/// Writes an answer; what of it is long is given apart. All but a `101` tell their length and the time.
pub(crate) fn write(response: Response<Body>) -> (Vec<u8>, Bytes) {
    let (head, body) = response.into_parts();
    let body = body.into_bytes();
    let mut out = Vec::with_capacity(256 + body.len().min(MAX_COPIED));
    let mut push = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    let reason = head.status.canonical_reason().unwrap_or_default();
    push(&[b"HTTP/1.1 ", head.status.as_str().as_bytes(), b" ", reason.as_bytes(), b"\r\n"]);
    // How long it is, is told here, whatever the application's hooks say.
    let is_ours = |name: &HeaderName| *name == header::CONTENT_LENGTH || *name == header::TRANSFER_ENCODING;
    for (name, value) in head.headers.iter().filter(|(name, _)| !is_ours(name)) {
        push(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        push(&[b"content-length: ", HeaderValue::from(body.len()).as_bytes(), b"\r\n"]);
        if !head.headers.contains_key(header::DATE) {
            with_date(|date| push(&[b"date: ", date.as_bytes(), b"\r\n"]));
        }
    }
    push(&[b"\r\n"]);
    if body.len() > MAX_COPIED {
        return (out, body);
    }
    push(&[&body]);
    (out, Bytes::new())
}

fn with_date(write: impl FnOnce(&str)) {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    DATE.with_borrow_mut(|(written, date)| {
        if *written != second || date.is_empty() {
            (*written, *date) = (second, httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second)));
        }
        write(date);
    });
}

/// Whether a request or an answer with these headers is the last on its connection.
pub(crate) fn is_last(headers: &HeaderMap) -> bool {
    let mut wishes =
        headers.get_all(header::CONNECTION).iter().flat_map(|wish| wish.as_bytes().split(|byte| *byte == b','));
    wishes.any(|wish| wish.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_written_as_http() {
        let switching = Response::builder().status(101).header("Upgrade", "websocket").body(Body::default()).unwrap();
        assert_eq!(write(switching).0, b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n");
        for _ in 0..2 {
            let refused =
                Response::builder().status(400).header("Connection", "close").body(Body::from("why")).unwrap();
            assert!(is_last(refused.headers()));
            let refused = String::from_utf8(write(refused).0).unwrap();
            let (head, date) = refused.split_once("date: ").unwrap();
            assert_eq!(head, "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 3\r\n");
            let date = date.strip_suffix("\r\n\r\nwhy").unwrap();
            let age = SystemTime::now().duration_since(httpdate::parse_http_date(date).unwrap()).unwrap();
            assert!(age < Duration::from_secs(10), "{date}");
        }
        let odd =
            [("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Date", "today"), ("Connection", "a, Close")];
        let odd = odd.iter().fold(Response::builder(), |odd, (name, value)| odd.header(*name, *value));
        let odd = odd.body(Body::from("whole")).unwrap();
        assert!(is_last(odd.headers()));
        assert_eq!(
            String::from_utf8(write(odd).0).unwrap(),
            "HTTP/1.1 200 OK\r\ndate: today\r\nconnection: a, Close\r\ncontent-length: 5\r\n\r\nwhole"
        );
        let (head, body) = write(Response::new(Body::from(vec![b'x'; MAX_COPIED + 1])));
        assert!(head.ends_with(b"\r\n\r\n") && body.len() == MAX_COPIED + 1);
    }
}
