//! The bytes of the exchange, made by hand: just enough for the load program, and a stop at anything else.
//!
//! Both floors speak through this crate, so that they differ in how they move bytes and in nothing else.

mod frame;
mod http;

use std::io::{Error, Result};

use slab::Slab;

const CONNECTED: &[u8] = br#"40{"sid":"floor-socket00000000"}"#;
/// What ends a poll while the client upgrades.
const NOOP: &[u8] = b"6";
/// Between two packets of one payload.
const SEPARATOR: u8 = 0x1e;

/// What all connections of one server have in common.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Sessions that began with polling, by the number in their session id.
    polls: Slab<Poll>,
}

#[derive(Debug, Default)]
struct Poll {
    /// Packets for the next poll.
    payload: Vec<u8>,
    /// The connection whose poll has no answer yet.
    waiting: Option<usize>,
}

/// Where a connection stands: it speaks HTTP until it is upgraded.
#[derive(Debug, Default)]
pub struct Session {
    upgraded: bool,
    /// The polling session that it upgrades.
    upgrades: Option<u32>,
    /// The ack id that the next binary frame belongs to.
    attachment_of: Option<Box<[u8]>>,
}

/// What the load program asked for and somebody else has to do: the rest is answered at once.
#[derive(Debug, PartialEq, Eq)]
pub enum Deed {
    /// Send these frames to everybody.
    Broadcast(Vec<u8>),
    /// Let the connection into the room of this number.
    Join(usize),
    /// Send this frame to the room of this number.
    Room(usize, Vec<u8>),
    /// Send this to that connection: its poll has been waiting.
    Answer(usize, Vec<u8>),
    /// The peer has closed.
    Close,
}

impl Exchange {
    /// Handles every whole request or frame in `input` of connection `id`, unmasking in place, and tells how much of it
    /// is done with.
    ///
    /// # Errors
    /// At anything the load program doesn't send.
    pub fn take(
        &mut self,
        id: usize,
        session: &mut Session,
        input: &mut [u8],
        out: &mut Vec<u8>,
        deeds: &mut Vec<Deed>,
    ) -> Result<usize> {
        let mut done = 0;
        loop {
            let input = &mut input[done..];
            let taken = if session.upgraded {
                let Some((opcode, payload, len)) = frame::unmask(input) else { return Ok(done) };
                self.message(session, opcode, payload, out, deeds)?;
                len
            } else {
                let Some(request) = http::Request::first(input)? else { return Ok(done) };
                self.request(id, session, &request, out, deeds)?;
                request.len
            };
            done += taken;
        }
    }

    fn request(
        &mut self,
        id: usize,
        session: &mut Session,
        request: &http::Request<'_>,
        out: &mut Vec<u8>,
        deeds: &mut Vec<Deed>,
    ) -> Result<()> {
        match (request.key, request.session, request.body) {
            (Some(key), upgrades, _) => {
                http::switch(key, out);
                if upgrades.is_none() {
                    let open = http::open(0);
                    frame::push(1, &[open.as_bytes()], out);
                }
                (session.upgraded, session.upgrades) = (true, upgrades);
            }
            (None, None, _) => {
                let number = self.polls.insert(Poll::default());
                http::respond(http::open(number).as_bytes(), out);
            }
            (None, Some(number), Some(body)) => {
                let poll = self.poll(number)?;
                for packet in body.split(|byte| *byte == SEPARATOR) {
                    poll.packet(packet)?;
                }
                http::respond(b"ok", out);
                deeds.extend(poll.answer());
            }
            (None, Some(number), None) => {
                let poll = self.poll(number)?;
                if poll.payload.is_empty() {
                    poll.waiting = Some(id);
                } else {
                    http::respond(&poll.payload, out);
                    poll.payload.clear();
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self, number: u32) -> Result<&mut Poll> {
        self.polls.get_mut(number as usize).ok_or_else(|| Error::other(format!("there is no session {number}")))
    }

    fn message(
        &mut self,
        session: &mut Session,
        opcode: u8,
        payload: &[u8],
        out: &mut Vec<u8>,
        deeds: &mut Vec<Deed>,
    ) -> Result<()> {
        match (opcode, payload) {
            (1, [b'4', b'2', event @ ..]) => event_frame(event, out, deeds)?,
            (1, [b'4', b'5', b'1', b'-', event @ ..]) => session.attachment_of = Some(split_echo(event)?.0.into()),
            (1, b"40") => frame::push(1, &[CONNECTED], out),
            (1, b"3") => {}
            (1, b"2probe") => {
                frame::push(1, &[b"3probe"], out);
                let poll = self.poll(upgraded(session)?)?;
                poll.push(&[NOOP]);
                deeds.extend(poll.answer());
            }
            (1, b"5") => drop(self.polls.try_remove(upgraded(session)? as usize)),
            (2, _) => {
                let id = session.attachment_of.take().ok_or_else(|| unexpected(b"attachment"))?;
                frame::push(1, &[b"461-", &id, br#"[{"_placeholder":true,"num":0}]"#], out);
                frame::push(2, &[payload], out);
            }
            (8, _) => deeds.push(Deed::Close),
            _ => return Err(unexpected(payload)),
        }
        Ok(())
    }
}

impl Poll {
    fn packet(&mut self, packet: &[u8]) -> Result<()> {
        match packet {
            b"40" => self.push(&[CONNECTED]),
            b"3" => {}
            [b'4', b'2', event @ ..] => {
                let (id, data) = split_echo(event)?;
                self.push(&[b"43", id, b"[", data]);
            }
            _ => return Err(unexpected(packet)),
        }
        Ok(())
    }

    fn push(&mut self, packet: &[&[u8]]) {
        if !self.payload.is_empty() {
            self.payload.push(SEPARATOR);
        }
        packet.iter().for_each(|part| self.payload.extend_from_slice(part));
    }

    /// Ends the poll that waits, if there is one and something to say.
    fn answer(&mut self) -> Option<Deed> {
        let waiting = self.waiting.take_if(|_| !self.payload.is_empty())?;
        let mut response = Vec::with_capacity(self.payload.len() + 100);
        http::respond(&self.payload, &mut response);
        self.payload.clear();
        Some(Deed::Answer(waiting, response))
    }
}

/// The events of the load contract, after `42`.
fn event_frame(event: &[u8], out: &mut Vec<u8>, deeds: &mut Vec<Deed>) -> Result<()> {
    if event.starts_with(br#"["broadcast","#) {
        match deeds.last_mut() {
            Some(Deed::Broadcast(frames)) => frame::push(1, &[b"42", event], frames),
            _ => deeds.push(Deed::Broadcast(shared(&[b"42", event]))),
        }
    } else if let Some(rest) = event.strip_prefix(br#"["room","room-"#) {
        let (room, data) = http::number(rest);
        let data = data.strip_prefix(br#"","#).ok_or_else(|| unexpected(event))?;
        deeds.push(Deed::Room(room as usize, shared(&[br#"42["room","#, data])));
    } else if let Some(rest) = event.strip_prefix(br#"0["join","room-"#) {
        deeds.push(Deed::Join(http::number(rest).0 as usize));
        frame::push(1, &[b"430[]"], out);
    } else {
        let (id, data) = split_echo(event)?;
        frame::push(1, &[b"43", id, b"[", data], out);
    }
    Ok(())
}

/// A frame that many get.
fn shared(parts: &[&[u8]]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 10);
    frame::push(1, parts, &mut frame);
    frame
}

/// `12["echo",X]` into `12` and `X]`.
fn split_echo(event: &[u8]) -> Result<(&[u8], &[u8])> {
    let digits = event.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (id, rest) = event.split_at(digits);
    Ok((id, rest.strip_prefix(br#"["echo","#).ok_or_else(|| unexpected(event))?))
}

fn upgraded(session: &Session) -> Result<u32> {
    session.upgrades.ok_or_else(|| Error::other("a WebSocket of its own needs no upgrade"))
}

fn unexpected(what: &[u8]) -> Error {
    Error::other(format!("the load program doesn't send this: {}", String::from_utf8_lossy(what)))
}
