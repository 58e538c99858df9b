//! The bytes of the exchange, made by hand: just enough for the load program, and a stop at anything else.
//!
//! Both floors include this file, so that they differ in how they move bytes and in nothing else.

use std::io::{Error, Result, Write as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1::{Digest as _, Sha1};

const OPEN: &[u8] =
    br#"0{"sid":"floor000000000000000","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONNECTED: &[u8] = br#"40{"sid":"floor-socket00000000"}"#;

/// Where a connection stands.
#[derive(Debug, Default)]
pub struct Session {
    upgraded: bool,
    /// The ack id that the next binary frame belongs to.
    attachment_of: Option<Vec<u8>>,
}

/// What the load program sent and somebody else has to do: the rest is answered into `out` at once.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed {
    /// Send this frame to everybody.
    Broadcast(Vec<u8>),
    /// The peer has closed.
    Close,
}

impl Session {
    /// Handles every whole request or frame in `input`, which it unmasks in place, and tells how much of it is done with.
    ///
    /// # Errors
    /// At anything the load program doesn't send.
    pub fn take(&mut self, input: &mut [u8], out: &mut Vec<u8>, deeds: &mut Vec<Deed>) -> Result<usize> {
        let mut done = 0;
        if !self.upgraded {
            let Some(head) = input.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(0) };
            done = head + 4;
            upgrade(&input[..done], out)?;
            self.upgraded = true;
        }
        while let Some((opcode, payload, len)) = unmask(&mut input[done..]) {
            self.answer(opcode, payload, out, deeds)?;
            done += len;
        }
        Ok(done)
    }

    fn answer(&mut self, opcode: u8, payload: &[u8], out: &mut Vec<u8>, deeds: &mut Vec<Deed>) -> Result<()> {
        match opcode {
            1 if payload == b"40" => frame(1, &[CONNECTED], out),
            1 if payload == b"3" => {}
            1 => match (payload.strip_prefix(b"42"), payload.strip_prefix(b"451-")) {
                (Some(event), _) if event.starts_with(br#"["broadcast","#) => {
                    let mut shared = Vec::with_capacity(payload.len() + 10);
                    frame(1, &[payload], &mut shared);
                    deeds.push(Deed::Broadcast(shared));
                }
                (Some(event), _) => {
                    let (id, data) = split_echo(event)?;
                    frame(1, &[b"43", id, b"[", data], out);
                }
                (None, Some(event)) => self.attachment_of = Some(split_echo(event)?.0.to_vec()),
                (None, None) => return Err(unexpected(payload)),
            },
            2 => {
                let id = self.attachment_of.take().ok_or_else(|| unexpected(b"attachment"))?;
                frame(1, &[b"461-", &id, br#"[{"_placeholder":true,"num":0}]"#], out);
                frame(2, &[payload], out);
            }
            8 => deeds.push(Deed::Close),
            _ => return Err(unexpected(payload)),
        }
        Ok(())
    }
}

/// Answers the upgrade request and opens the Engine.IO session.
fn upgrade(head: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let head = std::str::from_utf8(head).map_err(Error::other)?;
    let key = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-key").then_some(value))
        .ok_or_else(|| unexpected(head.as_bytes()))?;
    let accept = BASE64_STANDARD
        .encode(Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize());
    write!(
        out,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    frame(1, &[OPEN], out);
    Ok(())
}

/// `12["echo",X]` into `12` and `X]`.
fn split_echo(event: &[u8]) -> Result<(&[u8], &[u8])> {
    let digits = event.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (id, rest) = event.split_at(digits);
    Ok((id, rest.strip_prefix(br#"["echo","#).ok_or_else(|| unexpected(event))?))
}

fn unexpected(what: &[u8]) -> Error {
    Error::other(format!("the load program doesn't send this: {}", String::from_utf8_lossy(what)))
}

/// The first frame's opcode, payload and whole length, if all of it is there.
fn unmask(input: &mut [u8]) -> Option<(u8, &[u8], usize)> {
    let (&opcode, &marked) = (input.first()?, input.get(1)?);
    let (len, start) = match marked & 127 {
        126 => (usize::from(u16::from_be_bytes(input.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(input.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    let key: [u8; 4] = input.get(start..start + 4)?.try_into().ok()?;
    let payload = input.get_mut(start + 4..start + 4 + len)?;
    let (chunks, rest) = payload.as_chunks_mut::<4>();
    for chunk in chunks {
        *chunk = (u32::from_ne_bytes(*chunk) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    rest.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    Some((opcode & 15, payload, start + 4 + len))
}

fn frame(opcode: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ 0..126), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}
