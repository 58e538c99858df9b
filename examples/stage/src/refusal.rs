//! What a page is told when something went wrong.

use std::error::Error;

use serde::Serialize;
use sockeye::{ExtractError, Failure};

use crate::message::Fault;

/// The hook for errors of an example whose handlers refuse things with an `R` or a [`Fault`]: tells the page what was refused, as
/// `{"error": "why"}`, and the terminal what went wrong otherwise.
pub fn refuse<R: Error + 'static>(failure: Failure) {
    let error = &failure.error;
    let refusal = error.downcast_ref::<R>().map(ToString::to_string);
    let refusal = refusal.or_else(|| error.downcast_ref::<Fault>().map(ToString::to_string));
    // What does not fit its handler was sent by somebody else's program, which could fill the terminal.
    let is_foreign = matches!(error.downcast_ref(), Some(ExtractError::Malformed(_) | ExtractError::Mismatch { .. }));
    if refusal.is_none() && !is_foreign {
        eprintln!("{}: {}", failure.event, failure.error);
    }
    // A page that gets no answer asks again.
    if let Some(ack) = failure.ack {
        drop(ack.send(Refused { error: refusal.unwrap_or_else(|| Fault::Malformed.to_string()) }));
    }
}

#[derive(Serialize)]
struct Refused {
    error: String,
}
