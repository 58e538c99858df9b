//! HTTP/1.1 requests and responses, only as far as this load needs.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;

/// Between two packets of one payload.
pub(crate) const SEPARATOR: u8 = 0x1e;

/// The request that opens a WebSocket: fresh, or as the upgrade of the session `sid`.
pub(crate) fn push_upgrade(out: &mut Vec<u8>, sid: Option<&str>) {
    let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
    put(
        out,
        &format!(
            "GET /socket.io/?EIO=4&transport=websocket{sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ),
    );
}

/// A poll: the handshake without `sid`.
pub(crate) fn push_get(out: &mut Vec<u8>, sid: Option<&str>) {
    let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
    put(out, &format!("GET /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
}

pub(crate) fn push_post(out: &mut Vec<u8>, sid: &str, body: &[u8]) {
    put(
        out,
        &format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ),
    );
    out.extend_from_slice(body);
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.write_all(text.as_bytes()).expect("a vector takes all");
}

/// The length of the answer to an upgrade, if all of it is there.
pub(crate) fn switched(input: &[u8]) -> Result<Option<usize>> {
    let Some(end) = memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
    let head = &input[..end];
    ensure!(head.starts_with(b"HTTP/1.1 101"), "expected 101, got {}", String::from_utf8_lossy(head));
    // Of the sample key in RFC 6455, section 1.3.
    let accepted = memmem::find(head, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").is_some();
    ensure!(accepted, "wrong Sec-WebSocket-Accept in {}", String::from_utf8_lossy(head));
    Ok(Some(end + 4))
}

/// The first response's body and its length with the head, if all of it is there.
///
/// # Errors
/// If it is not a 200 with a `Content-Length`.
pub(crate) fn first(input: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let Some(end) = memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&input[..end])?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("expected 200, got {}", String::from_utf8_lossy(input));
    }
    let len = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>()))
        .with_context(|| format!("no Content-Length in {head}"))??;
    let start = end + 4;
    Ok(input.get(start..start + len).map(|body| (body, start + len)))
}

/// The session id in an open packet, `0{"sid":"…",…}`.
pub(crate) fn sid(open: &[u8]) -> Result<String> {
    let json = open.strip_prefix(b"0").with_context(|| format!("no open packet: {}", String::from_utf8_lossy(open)))?;
    let handshake: serde_json::Value = serde_json::from_slice(json)?;
    Ok(handshake["sid"].as_str().context("no sid in the open packet")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_whole_when_its_body_is() {
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\nokHTTP/1.1";
        for cut in 0..response.len() - 8 {
            assert_eq!(first(&response[..cut]).unwrap(), None);
        }
        assert_eq!(first(response).unwrap(), Some((&b"ok"[..], response.len() - 8)));
    }

    #[test]
    fn another_status_is_an_error() {
        assert!(first(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(switched(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_err());
    }

    #[test]
    fn the_open_packet_names_the_session() {
        assert_eq!(sid(br#"0{"sid":"abc","upgrades":[]}"#).unwrap(), "abc");
        assert!(sid(b"40").is_err());
    }
}
