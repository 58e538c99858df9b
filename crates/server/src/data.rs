//! Values by name that belong to a socket.

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Values by name that belong to a socket: Node's `socket.data`.
///
/// They are JSON: [`fetch_sockets`](crate::Namespace::fetch_sockets) shows them, and a client that is
/// [recovered](crate::Recovery) finds them again. What is no JSON, or nobody else's concern, belongs into the socket's
/// [extensions](crate::Socket::extensions). Empty, it holds no memory.
///
/// ```no_run
/// # fn f(socket: sockeye::Socket) -> Result<(), Box<dyn std::error::Error>> {
/// socket.data().set("nickname", "Ann")?;
/// let nickname: Option<String> = socket.data().get("nickname");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct SocketData(Mutex<Map<String, Value>>);

impl SocketData {
    pub(crate) fn new(values: Map<String, Value>) -> Self {
        Self(Mutex::new(values))
    }

    /// Sets the value of this name, and returns the one that it had before.
    ///
    /// # Errors
    /// [`serde_json::Error`] if the value has no JSON form; then nothing has changed.
    pub fn set(&self, name: impl Into<String>, value: impl Serialize) -> Result<Option<Value>, serde_json::Error> {
        let value = serde_json::to_value(value)?;
        Ok(self.0.lock().insert(name.into(), value))
    }

    /// The value of this name; `None` if there is none, or if it is no `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.0.lock().get(name)?).ok()
    }

    /// Takes the value of this name out.
    pub fn remove(&self, name: &str) -> Option<Value> {
        self.0.lock().remove(name)
    }

    /// All of it, as a JSON object.
    pub fn to_json(&self) -> Value {
        Value::Object(self.values())
    }

    pub(crate) fn values(&self) -> Map<String, Value> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_set_and_found_by_name() {
        let data = SocketData::default();
        assert_eq!(data.get::<u8>("n"), None);
        assert_eq!(data.set("n", 1).unwrap(), None);
        assert_eq!(data.set("n", 2).unwrap(), Some(1.into()));
        assert_eq!((data.get::<u8>("n"), data.get::<String>("n")), (Some(2), None));
        assert_eq!(data.to_json(), serde_json::json!({ "n": 2 }));
        assert_eq!((data.remove("n"), data.remove("n")), (Some(2.into()), None));
    }

    #[test]
    fn what_has_no_json_form_changes_nothing() {
        let data = SocketData::default();
        assert!(data.set("map", std::collections::HashMap::from([((1, 2), 3)])).is_err());
        assert_eq!(data.to_json(), serde_json::json!({}));
    }
}
