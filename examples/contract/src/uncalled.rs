//! Events that reach no handler of their name.

use sockeye::{Arguments, EmitError, Event, Failure, Namespace, Socket, Spread, Value};

/// Refused by a middleware, so that its handlers, if it had any, would not be called.
const BLOCKED: &str = "blocked";

pub(crate) fn register(namespace: &Namespace) {
    namespace.event_middleware(async |Event(name): Event| if name == BLOCKED { Err("blocked event") } else { Ok(()) });
    namespace.fallback(async |socket: Socket, Event(name): Event, arguments: Arguments| {
        let Spread(list) = arguments.read::<Spread<Value>>()?;
        socket.emit("caught", (name, list))?;
        Ok::<_, sockeye::BoxError>(())
    });
}

/// Tells the client why its event was refused. Other failures are nobody's concern here.
pub(crate) fn told(failure: Failure) {
    if failure.event == BLOCKED {
        // To a socket that has gone nothing is sent.
        let _: Result<(), EmitError> = failure.socket.emit("middleware-error", failure.error.to_string());
    }
}
