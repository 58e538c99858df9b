//! What an event passes before its handlers are called.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use smol_str::SmolStr;
use sockeye_protocol::socket::RawArguments;

use crate::ack::Ack;
use crate::client::Violation;
use crate::dispatch::{self, at_once, failed, panicked};
use crate::handler::{AckTicket, BoxError, Context, Erased, EventParts, ExtractError, HandlerFuture, Received};
use crate::socket::Socket;

/// Whether an event has passed the middlewares.
pub(crate) enum Passage {
    /// Its handlers may be called.
    Free,
    /// It has been stopped; who wants to know has been told.
    Stopped,
    /// A middleware waits for something. The event goes on by itself, and the later ones wait for it.
    Suspended,
}

/// An event with its own memory, on its way through the middlewares.
struct Passing {
    socket: Socket,
    name: SmolStr,
    arguments: RawArguments,
    ticket: Option<AckTicket>,
}

/// Has the event pass the middlewares, as far as that goes without waiting.
pub(crate) fn pass<'a>(
    socket: &'a Socket,
    mut middlewares: impl Iterator<Item = &'a Erased<Received>>,
    parts: &mut EventParts<'a>,
    ticket: Option<&AckTicket>,
) -> Passage {
    while let Some(middleware) = middlewares.next() {
        let called = call(socket, middleware, parts, ticket);
        let passed = match called {
            Ok(mut future) => match at_once(&mut future) {
                Some(passed) => passed,
                None => return suspend(socket, future, middlewares.cloned().collect(), parts, ticket),
            },
            Err(error) => Err(error.into()),
        };
        if let Err(error) = passed {
            stop(socket, parts.name, error, ticket);
            return Passage::Stopped;
        }
    }
    Passage::Free
}

fn call<'a>(
    socket: &'a Socket,
    middleware: &Erased<Received>,
    parts: &mut EventParts<'a>,
    ticket: Option<&AckTicket>,
) -> Result<HandlerFuture, ExtractError> {
    let fresh = EventParts { ack: ticket.cloned(), ..*parts };
    let mut context = Context { socket, parts: fresh };
    let called = middleware(&mut context);
    parts.read |= context.parts.read;
    called
}

/// Lets the event go on as a task, which outlives the connection as suspended handlers do.
fn suspend(
    socket: &Socket,
    first: HandlerFuture,
    rest: Vec<Erased<Received>>,
    parts: &EventParts<'_>,
    ticket: Option<&AckTicket>,
) -> Passage {
    let arguments = match parts.arguments.to_raw() {
        Ok(arguments) => arguments,
        Err(error) => {
            socket.client().punish(&Violation::Undecodable(error));
            return Passage::Stopped;
        }
    };
    let event = Passing { socket: socket.clone(), name: parts.name.into(), arguments, ticket: ticket.cloned() };
    dispatch::hold(socket);
    socket.client().server().engine().spawn(async move {
        let passing = AssertUnwindSafe(event.finish(first, rest)).catch_unwind();
        if passing.await.is_err() {
            panicked(&event.socket, &event.name);
        }
        dispatch::let_go(&event.socket);
    });
    Passage::Suspended
}

impl Passing {
    /// Passes what is left, and reaches the handlers if the client has not gone meanwhile.
    async fn finish(&self, first: HandlerFuture, rest: Vec<Erased<Received>>) {
        match self.pass(first, rest).await {
            Ok(()) if self.socket.is_connected() => {
                dispatch::call_handlers(&self.socket, self.parts(), self.ticket.as_ref());
            }
            Ok(()) => {}
            Err(error) => stop(&self.socket, &self.name, error, self.ticket.as_ref()),
        }
    }

    async fn pass(&self, first: HandlerFuture, rest: Vec<Erased<Received>>) -> Result<(), BoxError> {
        first.await?;
        for middleware in rest {
            let called = call(&self.socket, &middleware, &mut self.parts(), self.ticket.as_ref());
            called?.await?;
        }
        Ok(())
    }

    fn parts(&self) -> EventParts<'_> {
        EventParts { name: &self.name, arguments: self.arguments.arguments(), ack: None, read: true }
    }
}

/// The error hook is told, and may answer, unless somebody has.
fn stop(socket: &Socket, event: &str, error: BoxError, ticket: Option<&AckTicket>) {
    let error = match error.downcast::<ExtractError>() {
        Ok(error) => match *error {
            ExtractError::Malformed(error) => return socket.client().punish(&Violation::Undecodable(error)),
            error => error.into(),
        },
        Err(error) => error,
    };
    failed(socket, event, error, ticket.map(|ticket| Ack::new(socket.clone(), ticket.clone())));
}
