//! Functions that are called when something happens to a socket.

mod answer; // What a handler may return.
mod context; // What it is called about.
mod extract; // What it may take as arguments.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use crate::disconnect::Departure;
pub use answer::Answer;
pub(crate) use answer::Unanswered;
pub(crate) use context::AckTicket;
pub use context::{Connecting, Context, Disconnected, EventParts, Occasion, Received};
pub(crate) use extract::mismatch;
pub use extract::{Arguments, Data, Event, Extension, Extract, ExtractError, State};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A handler whose type has been forgotten.
pub(crate) type Erased<O> = Arc<dyn Fn(&mut Context<'_, O>) -> Result<HandlerFuture, ExtractError> + Send + Sync>;

/// An async function that handles what happens to sockets: its arguments are [extractors](Extract), its returned
/// value is an [`Answer`].
///
/// Write an async closure without captures, or a function. An async closure that captures something is no handler;
/// shared things come through [`State`], or through a closure that clones them for each call:
///
/// ```
/// # use sockeye::{Server, Socket, Data};
/// # let io = Server::builder().build()?;
/// # let database = std::sync::Arc::new(());
/// io.on("store", move |socket: Socket, Data(row): Data<String>| {
///     let database = database.clone();
///     async move { println!("{database:?} of {}: {row}", socket.id()) }
/// });
/// # Ok::<(), sockeye::ConfigError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    label = "not an async function of extractors that returns an answer",
    note = "a handler is an async closure without captures, or a function returning a future that is `Send`",
    note = "its arguments are extractors such as `Socket` or `Data<T>`, each with its type written out",
    note = "shared things come through the extractor `State<T>`; see the docs of `sockeye::Handler`"
)]
pub trait Handler<O: Occasion, Arguments>: Send + Sync + 'static {
    /// Takes the arguments from the context and starts the function.
    ///
    /// # Errors
    /// [`ExtractError`] if an argument can't be had; then the function has not been called.
    fn call(&self, context: &mut Context<'_, O>) -> Result<HandlerFuture, ExtractError>;
}

pub(crate) fn erase<O: Occasion, A>(handler: impl Handler<O, A>) -> Erased<O> {
    Arc::new(move |context| handler.call(context))
}

/// The end of a handler's work: an answer, where one is wanted.
trait Finish: Occasion {
    /// What is needed to answer once the function has returned.
    type Reply: Send + 'static;
    fn reply(context: &mut Context<'_, Self>) -> Self::Reply
    where
        Self: Sized;
    fn finish(answer: impl Answer, reply: Self::Reply) -> Result<(), BoxError>;
}

impl Finish for Received {
    type Reply = Option<crate::Ack>;

    fn reply(context: &mut Context<'_, Self>) -> Self::Reply {
        context.take_ack()
    }

    fn finish(answer: impl Answer, reply: Self::Reply) -> Result<(), BoxError> {
        answer.answer(reply)
    }
}

macro_rules! nobody_to_answer {
    ($($occasion:ty),*) => {$(
        impl Finish for $occasion {
            type Reply = ();

            fn reply(_: &mut Context<'_, Self>) {}

            fn finish(answer: impl Answer, (): ()) -> Result<(), BoxError> {
                answer.answer(None)
            }
        }
    )*};
}
nobody_to_answer!(Connecting, Disconnected);

macro_rules! handler {
    ($($argument:ident),*) => {
        #[allow(non_snake_case, unused_variables, reason = "the arguments are named like their types")]
        impl<O, F, Fut, $($argument),*> Handler<O, ($($argument,)*)> for F
        where
            O: Finish,
            F: Fn($($argument),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output: Answer> + Send + 'static,
            $($argument: Extract<O>,)*
        {
            fn call(&self, context: &mut Context<'_, O>) -> Result<HandlerFuture, ExtractError> {
                $(let $argument = $argument::extract(context)?;)*
                let reply = O::reply(context);
                let running = self($($argument),*);
                Ok(Box::pin(async move { O::finish(running.await, reply) }))
            }
        }
    };
}
handler!();
handler!(A);
handler!(A, B);
handler!(A, B, C);
handler!(A, B, C, D);
handler!(A, B, C, D, E);
handler!(A, B, C, D, E, F1);
handler!(A, B, C, D, E, F1, G);
handler!(A, B, C, D, E, F1, G, H);
