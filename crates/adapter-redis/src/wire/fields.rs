use smol_str::SmolStr;
use sockeye_adapter::{Room, cluster::RequestId};
use sockeye_protocol::socket::Value;

use super::DecodeError;

/// The fields of an object, taken out one by one. To JavaScript what is missing and what is null are the same here.
pub(super) struct Fields {
    entries: Vec<(String, Value)>,
}

impl Fields {
    /// The fields of `value`, which stands in the field `name`.
    pub(super) fn of(value: Value, name: &'static str) -> Result<Self, DecodeError> {
        match value {
            Value::Object(entries) => Ok(Self { entries }),
            other => Err(unexpected(name, "an object", &other)),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Value {
        // Of a key that is there twice, the last counts.
        let place = self.entries.iter().rposition(|(key, _)| key == name);
        place.map_or(Value::Null, |place| self.entries.swap_remove(place).1)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|(key, value)| key == name && *value != Value::Null)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<SmolStr, DecodeError> {
        text(self.take(name), name)
    }

    /// A text that need not be there.
    pub(super) fn text_if_any(&mut self, name: &'static str) -> Result<Option<SmolStr>, DecodeError> {
        match self.take(name) {
            Value::Null => Ok(None),
            value => text(value, name).map(Some),
        }
    }

    /// The id of a request.
    pub(super) fn request(&mut self) -> Result<RequestId, DecodeError> {
        self.text("requestId").map(RequestId::new)
    }

    /// The id of a request, if an answer is asked for.
    pub(super) fn request_if_any(&mut self) -> Result<Option<RequestId>, DecodeError> {
        Ok(self.text_if_any("requestId")?.map(RequestId::new))
    }

    /// A number that counts something.
    pub(super) fn count(&mut self, name: &'static str) -> Result<u64, DecodeError> {
        let value = self.take(name);
        number(&value).ok_or_else(|| unexpected(name, "a whole number", &value))
    }

    /// A number that need not be there.
    pub(super) fn count_if_any(&mut self, name: &'static str) -> Result<Option<u64>, DecodeError> {
        match self.take(name) {
            Value::Null => Ok(None),
            value => number(&value).map(Some).ok_or_else(|| unexpected(name, "a whole number", &value)),
        }
    }

    /// Whether it is true, as JavaScript sees it: what is missing is not.
    pub(super) fn truth(&mut self, name: &str) -> bool {
        match self.take(name) {
            Value::Null => false,
            Value::Bool(truth) => truth,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Binary(_) | Value::Array(_) | Value::Object(_) => true,
        }
    }

    /// A list. What is missing is empty, as it is to a `Set`.
    pub(super) fn list(&mut self, name: &'static str) -> Result<Vec<Value>, DecodeError> {
        match self.take(name) {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => Ok(items),
            other => Err(unexpected(name, "a list", &other)),
        }
    }

    /// Rooms by their names.
    pub(super) fn rooms(&mut self, name: &'static str) -> Result<Vec<Room>, DecodeError> {
        Ok(self.list(name)?.into_iter().filter_map(room).collect())
    }

    /// An event's name and its arguments.
    pub(super) fn event(&mut self, name: &'static str) -> Result<Vec<Value>, DecodeError> {
        const EXPECTED: &str = "a list that begins with the name of an event";
        let mut event = match self.take(name) {
            Value::Array(event) => event,
            other => return Err(unexpected(name, EXPECTED, &other)),
        };
        match event.first_mut() {
            Some(Value::String(_)) => Ok(event),
            // JavaScript finds the handlers of `1` and of `"1"` under the same name.
            Some(number @ Value::Number(_)) => {
                *number = number.to_json().unwrap_or_default().into();
                Ok(event)
            }
            Some(other) => Err(unexpected(name, EXPECTED, other)),
            None => Err(unexpected(name, EXPECTED, &Value::Array(event))),
        }
    }
}

fn text(value: Value, name: &'static str) -> Result<SmolStr, DecodeError> {
    match value {
        Value::String(text) => Ok(text.into()),
        other => Err(unexpected(name, "a text", &other)),
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

/// A room by its name. In JavaScript a number may be one; what else can stand here is the room of nobody.
pub(super) fn room(name: Value) -> Option<Room> {
    match name {
        Value::String(name) => Some(name.into()),
        number @ Value::Number(_) => number.to_json().ok().map(Room::from),
        _ => None,
    }
}

/// Says what was found in place of something else, without showing more of it than its kind.
pub(super) fn unexpected(field: &'static str, expected: &'static str, found: &Value) -> DecodeError {
    let found = match found {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("a text of {} bytes", text.len()),
        Value::Binary(bytes) => format!("{} bytes", bytes.len()),
        Value::Array(items) => format!("a list of {} items", items.len()),
        Value::Object(entries) => format!("an object of {} keys", entries.len()),
    };
    DecodeError::Field { field, expected, found }
}

/// An object of these entries, in this order.
pub(super) fn object<const N: usize>(entries: [(&'static str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
