//! The load program's requests and the least of an answer.

use std::io::{Result, Write as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use memchr::memmem;
use sha1::{Digest as _, Sha1};

use crate::unexpected;

#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The `Sec-WebSocket-Key` of one that asks for an upgrade.
    pub(crate) key: Option<&'a [u8]>,
    /// The number in its session id.
    pub(crate) session: Option<u32>,
    /// What is posted.
    pub(crate) body: Option<&'a [u8]>,
    /// Its bytes, with the body.
    pub(crate) len: usize,
}

impl<'a> Request<'a> {
    /// The first request of `input`, if all of it is there.
    pub(crate) fn first(input: &'a [u8]) -> Result<Option<Self>> {
        let Some(end) = memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = input.split_at(end + 4);
        let session = after(head, b"&sid=floor").map(|digits| number(digits).0);
        if head.starts_with(b"GET ") {
            let key = after(head, b"Sec-WebSocket-Key: ").and_then(|key| key.get(..24));
            return Ok(Some(Self { key, session, body: None, len: head.len() }));
        }
        let body_len =
            after(head, b"Content-Length: ").map(|digits| number(digits).0).ok_or_else(|| unexpected(head))?;
        let Some(body) = rest.get(..body_len as usize) else { return Ok(None) };
        Ok(Some(Self { key: None, session, body: Some(body), len: head.len() + body.len() }))
    }
}

fn after<'a>(head: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    memmem::find(head, mark).map(|at| &head[at + mark.len()..])
}

/// The decimal number that `text` begins with, and what follows it.
pub(crate) fn number(text: &[u8]) -> (u32, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value =
        text[..digits].iter().fold(0_u32, |value, digit| value.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')));
    (value, &text[digits..])
}

/// The open packet of the session with this number.
pub(crate) fn open(number: usize) -> String {
    format!(
        r#"0{{"sid":"floor{number:015}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}"#
    )
}

/// Answers the upgrade with this key.
pub(crate) fn switch(key: &[u8], out: &mut Vec<u8>) {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    let mut accept = [0; 28];
    BASE64_STANDARD.encode_slice(digest, &mut accept).expect("20 bytes make 28 characters");
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept);
    out.extend_from_slice(b"\r\n\r\n");
}

/// A response with this body.
pub(crate) fn respond(body: &[u8], out: &mut Vec<u8>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: ";
    write!(out, "{head}{}\r\n\r\n", body.len()).expect("a vector takes all");
    out.extend_from_slice(body);
}
