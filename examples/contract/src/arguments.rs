//! Lists of arguments and of rooms.

use serde::Deserialize;
use sockeye::{Arguments, Data, EmitError, ExtractError, Spread, Value};

/// The arguments behind the first ones.
pub(crate) fn behind(first: usize, arguments: &Arguments) -> Result<Spread<Value>, ExtractError> {
    let Spread(mut values) = arguments.read::<Spread<Value>>()?;
    values.drain(..first.min(values.len()));
    Ok(Spread(values))
}

/// A room's name, or a list of names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Rooms {
    One(String),
    Many(Vec<String>),
}

impl Rooms {
    pub(crate) fn names(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::Many(names) => names,
        }
    }
}

/// An emit is acknowledged with nothing, once it has been made.
pub(crate) fn done(emitted: Result<(), EmitError>) -> Result<Data<()>, sockeye::BoxError> {
    emitted?;
    Ok(Data(()))
}
