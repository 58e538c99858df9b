//! What a handler may take as arguments.

use std::any::type_name;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use sockeye_engine::CloseCause;
use sockeye_protocol::socket::{self, ArgumentsError, EncodeError, RawArguments, ToArguments};

use super::{BoxError, Connecting, Context, Disconnected, Occasion, Received};
use crate::ack::Ack;
use crate::disconnect::DisconnectReason;
use crate::handshake::Handshake;
use crate::socket::Socket;

/// Something that a handler takes as an argument.
///
/// `O` is the occasion on which it can be had: [`Received`], [`Connecting`], [`Disconnected`], or any.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be taken by a handler on this occasion ({O})",
    note = "on every occasion: `Socket`, `State<T>`, `Extension<T>`, `Handshake`",
    note = "for events also: `Data<T>`, `Arguments`, `Ack`, `Event`; on connect: `Data<T>` (the client's `auth`); on disconnect: `DisconnectReason`, `CloseCause`"
)]
pub trait Extract<O: Occasion>: Sized {
    /// Takes it from the context.
    ///
    /// # Errors
    /// [`ExtractError`] if it can't be had; the handler is not called then.
    fn extract(context: &mut Context<'_, O>) -> Result<Self, ExtractError>;
}

/// Why a handler could not be called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The peer sent what is no JSON, or refers to attachments that it did not send. Ends its connection.
    #[error("the arguments are malformed")]
    Malformed(#[source] socket::DecodeError),
    /// The arguments are not what the handler expects.
    #[error("the arguments are no {expected}: {reason}")]
    Mismatch {
        /// The handler's type.
        expected: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// A value that the program should have provided.
    #[error("no {expected}: {remedy}")]
    Missing {
        /// The handler's type.
        expected: &'static str,
        /// Where it should come from.
        remedy: &'static str,
    },
    /// An extractor of the application's own.
    #[error(transparent)]
    Other(BoxError),
}

/// The arguments of an event, or on connect the client's `auth`, as a value of your own type.
///
/// A tuple takes several arguments, [`Spread`](crate::Spread) all, everything else (a `Vec` too) the first. Missing ones are `null`, surplus ones
/// are ignored. Binary arguments arrive as [`Bytes`] anywhere in `T`.
///
/// As a handler's returned value, it is an answer by the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<T>(pub T);

/// All arguments of an event as they came, unparsed but known to be well-formed.
///
/// They can be sent on as the arguments of another event, or as an answer, without being rebuilt.
#[derive(Clone, Debug)]
pub struct Arguments(pub(crate) RawArguments);

/// The name of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event(pub SmolStr);

/// A value that all handlers share, given to [`ServerBuilder::state`](crate::ServerBuilder::state).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State<T>(pub T);

/// A copy of the value of this type in the socket's [extensions](Socket::extensions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl Arguments {
    /// Reads the arguments as a value, by the rules of [`Data`].
    ///
    /// # Errors
    /// [`ExtractError::Mismatch`] if they are no `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        self.0.arguments().deserialize().map_err(mismatch::<T>)
    }
}

impl ToArguments for &Arguments {
    fn write_arguments(&self, out: &mut Vec<u8>, attachments: &mut Vec<Bytes>) -> Result<(), EncodeError> {
        self.0.write_arguments(out, attachments)
    }
}

pub(crate) fn mismatch<T>(error: ArgumentsError) -> ExtractError {
    match error {
        ArgumentsError::Malformed(error) => ExtractError::Malformed(error),
        error => ExtractError::Mismatch { expected: type_name::<T>(), reason: error.to_string() },
    }
}

impl<O: Occasion> Extract<O> for Socket {
    fn extract(context: &mut Context<'_, O>) -> Result<Self, ExtractError> {
        Ok(context.socket.clone())
    }
}

impl<O: Occasion> Extract<O> for Handshake {
    fn extract(context: &mut Context<'_, O>) -> Result<Self, ExtractError> {
        Ok(context.socket.handshake())
    }
}

impl<O: Occasion, T: Clone + Send + Sync + 'static> Extract<O> for State<T> {
    fn extract(context: &mut Context<'_, O>) -> Result<Self, ExtractError> {
        let state = context.socket.server_state().get().map(Self);
        state.ok_or(ExtractError::Missing {
            expected: type_name::<T>(),
            remedy: "give it to `Server::builder().state(…)`",
        })
    }
}

impl<O: Occasion, T: Clone + Send + Sync + 'static> Extract<O> for Extension<T> {
    fn extract(context: &mut Context<'_, O>) -> Result<Self, ExtractError> {
        let value = context.socket.extension().map(Self);
        value
            .ok_or(ExtractError::Missing { expected: type_name::<T>(), remedy: "insert it into `socket.extensions()`" })
    }
}

impl<O: Occasion, T: Extract<O>> Extract<O> for Option<T> {
    fn extract(context: &mut Context<'_, O>) -> Result<Self, ExtractError> {
        match T::extract(context) {
            Ok(value) => Ok(Some(value)),
            Err(ExtractError::Malformed(error)) => Err(ExtractError::Malformed(error)),
            Err(_) => Ok(None),
        }
    }
}

impl<T: DeserializeOwned> Extract<Received> for Data<T> {
    fn extract(context: &mut Context<'_, Received>) -> Result<Self, ExtractError> {
        let value = context.parts.arguments.deserialize().map_err(mismatch::<T>)?;
        context.parts.read = true;
        Ok(Self(value))
    }
}

impl Extract<Received> for Arguments {
    fn extract(context: &mut Context<'_, Received>) -> Result<Self, ExtractError> {
        let raw = context.parts.arguments.to_raw().map_err(ExtractError::Malformed)?;
        context.parts.read = true;
        Ok(Self(raw))
    }
}

impl Extract<Received> for Event {
    fn extract(context: &mut Context<'_, Received>) -> Result<Self, ExtractError> {
        Ok(Self(context.parts.name.into()))
    }
}

/// The right to answer. For an event that asks for no answer, what is sent through it is dropped.
impl Extract<Received> for Ack {
    fn extract(context: &mut Context<'_, Received>) -> Result<Self, ExtractError> {
        Ok(context.take_ack().unwrap_or_else(|| Self::unwanted(context.socket.clone())))
    }
}

impl<T: DeserializeOwned> Extract<Connecting> for Data<T> {
    fn extract(context: &mut Context<'_, Connecting>) -> Result<Self, ExtractError> {
        context.parts.deserialize().map(Self).map_err(mismatch::<T>)
    }
}

impl Extract<Disconnected> for DisconnectReason {
    fn extract(context: &mut Context<'_, Disconnected>) -> Result<Self, ExtractError> {
        Ok(context.parts.reason)
    }
}

impl Extract<Disconnected> for CloseCause {
    fn extract(context: &mut Context<'_, Disconnected>) -> Result<Self, ExtractError> {
        Ok(context.parts.cause)
    }
}
