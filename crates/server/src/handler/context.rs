//! What a handler is called about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye_protocol::socket::Arguments;

use crate::ack::Ack;
use crate::disconnect::Departure;
use crate::socket::Socket;

/// What happened to a socket, and what is known about it: extractors take what they want from it.
#[derive(Debug)]
pub struct Context<'a, O: Occasion> {
    pub(crate) socket: &'a Socket,
    pub(crate) parts: O::Parts<'a>,
}

/// Why a handler is called: [`Connecting`], [`Received`] or [`Disconnected`].
pub trait Occasion: sealed::Sealed + 'static {
    /// What is known on such an occasion.
    type Parts<'a>;
}

/// A socket is connecting, or has just connected.
#[derive(Clone, Copy, Debug)]
pub enum Connecting {}

/// A socket received an event.
#[derive(Clone, Copy, Debug)]
pub enum Received {}

/// A socket is disconnecting, or has been disconnected.
#[derive(Clone, Copy, Debug)]
pub enum Disconnected {}

impl Occasion for Connecting {
    type Parts<'a> = Arguments<'a>;
}

impl Occasion for Received {
    type Parts<'a> = EventParts<'a>;
}

impl Occasion for Disconnected {
    type Parts<'a> = Departure;
}

/// An event as it came: its name and arguments, and the acknowledgement it asks for.
#[derive(Debug)]
pub struct EventParts<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) ack: Option<AckTicket>,
    /// Somebody has read the arguments to their end, so that they are known to be JSON.
    pub(crate) read: bool,
}

/// The right to answer an event, once among all who hold a ticket for it.
#[derive(Clone, Debug)]
pub(crate) struct AckTicket {
    pub(crate) id: u64,
    /// Shared by the handlers of one event if there are several.
    pub(crate) used: Option<Arc<AtomicBool>>,
}

impl AckTicket {
    /// Whether nobody has answered yet; from here on somebody has.
    pub(crate) fn redeem(&self) -> bool {
        self.used.as_ref().is_none_or(|used| !used.swap(true, Ordering::Relaxed))
    }
}

impl Context<'_, Received> {
    /// Takes the right to answer, if the event asks for an answer and no extractor before took it.
    pub(crate) fn take_ack(&mut self) -> Option<Ack> {
        self.parts.ack.take().map(|ticket| Ack::new(self.socket.clone(), ticket))
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "sealed: there are three occasions")]
    pub trait Sealed {}
    impl Sealed for super::Connecting {}
    impl Sealed for super::Received {}
    impl Sealed for super::Disconnected {}
}
