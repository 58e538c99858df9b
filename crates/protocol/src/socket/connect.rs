use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{PacketType, Value, write_head};

/// What the namespace field of a packet means to an Engine.IO 3 client: a name and perhaps a query.
///
/// Such clients have no `auth`; the query of the namespace takes its place. Engine.IO 4 has no query here: there the
/// whole field is the name.
///
/// ```
/// use sockeye_protocol::socket::ConnectTarget;
///
/// let target = ConnectTarget::parse("/admin?token=a%20b&x=1&x=2");
/// assert_eq!(target.name, "/admin");
/// assert_eq!(target.auth_json(), r#"{"token":"a b","x":["1","2"]}"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTarget<'a> {
    /// Name of the namespace.
    pub name: &'a str,
    /// What follows the `?`, or nothing.
    pub query: &'a str,
}

impl<'a> ConnectTarget<'a> {
    /// Splits at the first `?`.
    pub fn parse(namespace: &'a str) -> Self {
        let (name, query) = namespace.split_once('?').unwrap_or((namespace, ""));
        Self { name, query }
    }

    /// The query as a JSON object: the `auth` of this client. A key given more than once has a list, as in Node.
    pub fn auth_json(&self) -> String {
        let mut entries: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::new();
        for (key, value) in form_urlencoded::parse(self.query.as_bytes()) {
            match entries.iter_mut().find(|(name, _)| *name == key) {
                Some((_, values)) => values.push(value),
                None => entries.push((key, vec![value])),
            }
        }
        let auth = entries.into_iter().map(|(key, mut values)| {
            let value = match values.pop() {
                Some(value) if values.is_empty() => serde_json::Value::from(value),
                last => values.into_iter().chain(last).collect(),
            };
            (key.into_owned(), value)
        });
        serde_json::Value::Object(auth.collect()).to_string()
    }
}

/// The server's answer to a CONNECT: the namespace was joined.
///
/// ```
/// use sockeye_protocol::socket::ConnectAnswer;
///
/// let mut out = Vec::new();
/// ConnectAnswer { sid: "abc".into(), pid: None }.write(&mut out, "/admin");
/// assert_eq!(out, br#"0/admin,{"sid":"abc"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectAnswer {
    /// Public id of the socket.
    pub sid: SmolStr,
    /// Secret by which the socket may come back, if the server keeps it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<SmolStr>,
}

impl ConnectAnswer {
    /// Appends the whole packet for a client of Engine.IO 4.
    pub fn write(&self, out: &mut Vec<u8>, namespace: &str) {
        write_head(out, PacketType::Connect, 0, namespace, None);
        write_json(out, self);
    }

    /// Appends the whole packet for a client of Engine.IO 3, which computes its id itself.
    pub fn write_v3(out: &mut Vec<u8>, namespace: &str) {
        write_head(out, PacketType::Connect, 0, namespace, None);
    }

    /// Reads the payload of the packet. Node 2.x servers send none.
    ///
    /// # Errors
    /// If it is not JSON or has no `sid`.
    pub fn parse(payload: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(payload)
    }
}

/// The server's other answer to a CONNECT: the namespace was not joined.
///
/// ```
/// use sockeye_protocol::socket::{ConnectError, Value};
///
/// let error = ConnectError { message: "not allowed".into(), data: Some(Value::from("why")) };
/// let mut out = Vec::new();
/// error.write(&mut out, "/admin");
/// assert_eq!(out, br#"4/admin,{"message":"not allowed","data":"why"}"#);
/// out.clear();
/// error.write_v3(&mut out, "/");
/// assert_eq!(out, br#"4"why""#);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectError {
    /// For people.
    pub message: String,
    /// For programs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data: Option<Value>,
}

impl ConnectError {
    /// An error without data.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// Appends the whole packet for a client of Engine.IO 4.
    pub fn write(&self, out: &mut Vec<u8>, namespace: &str) {
        write_head(out, PacketType::ConnectError, 0, namespace, None);
        write_json(out, self);
    }

    /// Appends the whole packet for a client of Engine.IO 3: the data if there is some, else the message.
    ///
    /// Data that is neither text nor object gives way to the message too: clients would not take it for an error.
    pub fn write_v3(&self, out: &mut Vec<u8>, namespace: &str) {
        write_head(out, PacketType::ConnectError, 0, namespace, None);
        match &self.data {
            Some(data @ (Value::String(_) | Value::Object(_))) => write_json(out, data),
            _ => write_json(out, &self.message),
        }
    }

    /// Reads the payload of the packet, in either form: a text is the message, an object without one is the data.
    ///
    /// # Errors
    /// [`InvalidConnectError`] if it is neither text nor object.
    pub fn parse(payload: &str) -> Result<Self, InvalidConnectError> {
        match serde_json::from_str(payload) {
            Ok(Value::String(message)) => Ok(Self { message, data: None }),
            Ok(object @ Value::Object(_)) => Ok(match object.get("message") {
                Some(Value::String(message)) => Self { message: message.clone(), data: object.get("data").cloned() },
                _ => Self { message: String::new(), data: Some(object) },
            }),
            _ => Err(InvalidConnectError),
        }
    }
}

/// The payload of a `CONNECT_ERROR` is neither text nor object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid payload of a connect error: expected an object or a string")]
pub struct InvalidConnectError;

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("texts and values all have a JSON form, and memory takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_target(namespace: &str, name: &str, auth: &str) {
        let target = ConnectTarget::parse(namespace);
        assert_eq!((target.name, target.auth_json().as_str()), (name, auth));
    }

    #[test]
    fn the_query_of_a_namespace_becomes_its_auth() {
        check_target("/", "/", "{}");
        check_target("/nsp?", "/nsp", "{}");
        check_target("/nsp?token=x", "/nsp", r#"{"token":"x"}"#);
        check_target("/nsp?a=1&b=%22&a=2&a=3", "/nsp", r#"{"a":["1","2","3"],"b":"\""}"#);
        check_target("/nsp?a=?", "/nsp", r#"{"a":"?"}"#);
    }

    #[test]
    fn an_answer_is_read_as_written() {
        for pid in [None, Some("p".into())] {
            let answer = ConnectAnswer { sid: "s".into(), pid };
            let mut out = Vec::new();
            answer.write(&mut out, "/");
            assert_eq!(ConnectAnswer::parse(str::from_utf8(&out[1..]).unwrap()).unwrap(), answer);
        }
    }

    #[test]
    fn a_revision_3_answer_is_empty() {
        let mut out = Vec::new();
        ConnectAnswer::write_v3(&mut out, "/");
        ConnectAnswer::write_v3(&mut out, "/nsp");
        assert_eq!(out, b"00/nsp,");
    }

    #[track_caller]
    fn check_error(error: &ConnectError, v4: &str, v3: &str) {
        let mut out = Vec::new();
        error.write(&mut out, "/");
        assert_eq!(str::from_utf8(&out), Ok(v4));
        assert_eq!(ConnectError::parse(&v4[1..]).as_ref(), Ok(error));
        out.clear();
        error.write_v3(&mut out, "/nsp");
        assert_eq!(str::from_utf8(&out), Ok(v3));
    }

    #[test]
    fn revision_3_gets_the_data_or_the_message() {
        check_error(&ConnectError::new("no"), r#"4{"message":"no"}"#, r#"4/nsp,"no""#);
        let data = Value::Object(vec![("code".into(), 7.into())]);
        let error = ConnectError { data: Some(data), ..ConnectError::new("no") };
        check_error(&error, r#"4{"message":"no","data":{"code":7}}"#, r#"4/nsp,{"code":7}"#);
        let error = ConnectError { data: Some(7.into()), ..ConnectError::new("no") };
        check_error(&error, r#"4{"message":"no","data":7}"#, r#"4/nsp,"no""#);
    }

    #[test]
    fn all_forms_of_an_error_are_read() {
        assert_eq!(ConnectError::parse(r#""Invalid namespace""#), Ok(ConnectError::new("Invalid namespace")));
        let bare = ConnectError::parse(r#"{"any":1}"#).unwrap();
        assert_eq!(bare.data.unwrap().get("any"), Some(&1.into()));
        for payload in ["", "1", "[]", "{"] {
            assert_eq!(ConnectError::parse(payload), Err(InvalidConnectError));
        }
    }
}
