//! What a handler may return.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use serde::Serialize;
use sockeye_protocol::socket::Value;

use super::{Arguments, BoxError, Data};
use crate::ack::Ack;

/// What a handler may return. For an event that asks for an acknowledgement, it is the answer.
///
/// | returned | answer |
/// |---|---|
/// | `()` | none: use the [`Ack`] extractor to answer by hand |
/// | number, text, `bool`, [`Bytes`], `Option`, map, [`Value`] | one argument |
/// | `Vec` | one argument, an array |
/// | tuple | several arguments |
/// | [`Data(value)`](Data) | whatever `value` serialises to, by the same rules |
/// | [`Arguments`] | the arguments as they came from somewhere else |
/// | `Ok(answer)` | that answer |
/// | `Err(error)` | none; the error goes to the [error hook](crate::Server::on_error), which may answer |
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the answer of a handler",
    note = "return `()`, a plain value, a tuple of them, or `Data(value)` for anything that implements `serde::Serialize`",
    note = "or a `Result` of one of these; `Err` goes to the error hook",
    note = "a body that never returns, such as `todo!()`, has no type of its own: write `()` behind it"
)]
pub trait Answer {
    /// Answers with this value, if an answer is wanted.
    ///
    /// # Errors
    /// What the handler failed with, or why its value could not be sent.
    fn answer(self, ack: Option<Ack>) -> Result<(), BoxError>;
}

impl Answer for () {
    fn answer(self, _: Option<Ack>) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<T: Answer, E: Into<BoxError>> Answer for Result<T, E> {
    fn answer(self, ack: Option<Ack>) -> Result<(), BoxError> {
        match self {
            Ok(value) => value.answer(ack),
            Err(error) => Err(match ack {
                Some(ack) => Box::new(Unanswered { error: error.into(), ack }),
                None => error.into(),
            }),
        }
    }
}

/// An error together with the answer that is still owed, on its way to the error hook.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Unanswered {
    pub(crate) error: BoxError,
    pub(crate) ack: Ack,
}

impl<T: Serialize> Answer for Data<T> {
    fn answer(self, ack: Option<Ack>) -> Result<(), BoxError> {
        send(ack, &self.0)
    }
}

impl Answer for Arguments {
    fn answer(self, ack: Option<Ack>) -> Result<(), BoxError> {
        ack.map_or(Ok(()), |ack| Ok(ack.send(&self)?))
    }
}

fn send<T: Serialize>(ack: Option<Ack>, value: &T) -> Result<(), BoxError> {
    ack.map_or(Ok(()), |ack| Ok(ack.send(value)?))
}

macro_rules! plain {
    ($(<$($generic:ident),*> $type:ty;)*) => {$(
        impl<$($generic: Serialize),*> Answer for $type {
            fn answer(self, ack: Option<Ack>) -> Result<(), BoxError> {
                send(ack, &self)
            }
        }
    )*};
}
plain! {
    <> bool; <> char; <> f32; <> f64;
    <> i8; <> i16; <> i32; <> i64; <> i128; <> isize;
    <> u8; <> u16; <> u32; <> u64; <> u128; <> usize;
    <> String; <> &'static str; <> Box<str>; <> Bytes; <> Value; <> serde_json::Value;
    <T> Vec<T>; <T> Option<T>; <T> Box<T>; <T> HashSet<T>; <T> BTreeSet<T>;
    <K, T> HashMap<K, T>; <K, T> BTreeMap<K, T>;
    <A> (A,); <A, B> (A, B); <A, B, C> (A, B, C); <A, B, C, D> (A, B, C, D); <A, B, C, D, E> (A, B, C, D, E);
}
