use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr2;

use super::{Arguments, DecodeError, EncodeError, PacketType, ToArguments, packet::trim_json, write_head};
use crate::Limits;

/// An event: its name and arguments.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The name. A number's name is its text.
    pub name: Cow<'a, str>,
    /// What was sent along, still as JSON.
    pub arguments: Arguments<'a>,
}

/// Splits the payload of an event into name and arguments, without a copy for ordinary names.
///
/// Attachments are added by [`Arguments::with_attachments`]. A missing payload, which Node lets through, is an event
/// with an empty name.
///
/// ```
/// let event = sockeye_protocol::socket::split_event(r#"["chat","hello"]"#)?;
/// assert_eq!(event.name, "chat");
/// assert_eq!(event.arguments.json(), r#""hello""#);
/// # Ok::<(), sockeye_protocol::socket::DecodeError>(())
/// ```
///
/// # Errors
/// If the first element is neither a string nor a number, if the name is reserved, or if it is not JSON. Whether the
/// arguments are JSON is found out when they are used.
pub fn split_event(payload: &str) -> Result<Event<'_>, DecodeError> {
    if payload.is_empty() {
        return Ok(Event { name: Cow::Borrowed(""), arguments: Arguments::default() });
    }
    let inside = payload.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inside = trim_json(inside.ok_or(DecodeError::InvalidPayload { expected: "an array" })?);
    let (name, rest) = match inside.strip_prefix('"') {
        Some(rest) => split_string(rest)?,
        None => split_number(inside)?,
    };
    if RESERVED.contains(&&*name) {
        return Err(DecodeError::ReservedName { name: name.into_owned() });
    }
    let rest = trim_json(rest);
    let json = if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix(',').map(trim_json).filter(|json| !json.is_empty())
    };
    let json = json.ok_or(DecodeError::InvalidPayload { expected: "arguments with commas between them" })?;
    Ok(Event { name, arguments: Arguments::new(json) })
}

/// Names of local events in JavaScript: a peer that could send them would deceive handlers.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Splits behind the closing quote; the opening one is gone already.
fn split_string(text: &str) -> Result<(Cow<'_, str>, &str), DecodeError> {
    let unended = || DecodeError::InvalidPayload { expected: "a closing quote behind the name" };
    let end = memchr2(b'"', b'\\', text.as_bytes()).ok_or_else(unended)?;
    let (name, rest) = text.split_at_checked(end).ok_or_else(unended)?;
    if let Some(rest) = rest.strip_prefix('"') {
        if name.bytes().any(|byte| byte < b' ') {
            return Err(DecodeError::InvalidPayload { expected: "no control characters in the name" });
        }
        return Ok((Cow::Borrowed(name), rest));
    }
    let end = closing_quote(text, end).ok_or_else(unended)?;
    let (name, rest) = text.split_at_checked(end).ok_or_else(unended)?;
    let name = serde_json::from_str(&format!("\"{name}\"")).map_err(|error| invalid_json(&error))?;
    Ok((Cow::Owned(name), rest.get(1..).unwrap_or_default()))
}

/// Where the first quote from `start` on stands that no backslash belongs to.
fn closing_quote(text: &str, start: usize) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(start).find_map(|(at, byte)| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes.then_some(at)
    })
}

fn split_number(text: &str) -> Result<(Cow<'_, str>, &str), DecodeError> {
    let end = text.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
    let (number, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    match serde_json::from_str::<serde_json::Number>(number) {
        Ok(_) => Ok((Cow::Borrowed(number), rest)),
        Err(_) => Err(DecodeError::InvalidPayload { expected: "a string or a number as the name" }),
    }
}

pub(super) fn invalid_json(error: &serde_json::Error) -> DecodeError {
    DecodeError::InvalidJson { reason: error.to_string() }
}

/// Appends a whole event packet, as text, and hands out its attachments.
///
/// It becomes a binary event if there are any. `out` may hold something already, such as Engine.IO's type `4`;
/// after an error it is as before.
///
/// ```
/// use sockeye_protocol::{Limits, socket::encode_event};
///
/// let (mut out, mut attachments) = (Vec::new(), Vec::new());
/// let arguments = ("cat.png", bytes::Bytes::from_static(b"\x89PNG"));
/// encode_event(&mut out, "/files", Some(3), "save", &arguments, &mut attachments, &Limits::default())?;
/// assert_eq!(out, br#"51-/files,3["save","cat.png",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(attachments, [b"\x89PNG".as_slice()]);
/// # Ok::<(), sockeye_protocol::socket::EncodeError>(())
/// ```
///
/// # Errors
/// [`EncodeError`] if the arguments have no JSON form or too many attachments.
pub fn encode_event<T: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    namespace: &str,
    id: Option<u64>,
    name: &str,
    arguments: &T,
    attachments: &mut Vec<Bytes>,
    limits: &Limits,
) -> Result<(), EncodeError> {
    encode(out, attachments, limits, (PacketType::Event, PacketType::BinaryEvent), namespace, id, |out, attachments| {
        out.push(b'[');
        serde_json::to_writer(&mut *out, name)?;
        arguments.write_arguments(out, attachments)
    })
}

/// Appends a whole answer packet, as text, and hands out its attachments; otherwise as [`encode_event`].
///
/// # Errors
/// [`EncodeError`] if the arguments have no JSON form or too many attachments.
pub fn encode_ack<T: ToArguments + ?Sized>(
    out: &mut Vec<u8>,
    namespace: &str,
    id: u64,
    arguments: &T,
    attachments: &mut Vec<Bytes>,
    limits: &Limits,
) -> Result<(), EncodeError> {
    encode(
        out,
        attachments,
        limits,
        (PacketType::Ack, PacketType::BinaryAck),
        namespace,
        Some(id),
        |out, attachments| {
            let start = out.len();
            arguments.write_arguments(out, attachments)?;
            // The first comma becomes the bracket.
            match out.get_mut(start) {
                Some(comma) => *comma = b'[',
                None => out.push(b'['),
            }
            Ok(())
        },
    )
}

/// Writes head and payload; `write` leaves only the closing bracket to do.
fn encode(
    out: &mut Vec<u8>,
    attachments: &mut Vec<Bytes>,
    limits: &Limits,
    (plain, binary): (PacketType, PacketType),
    namespace: &str,
    id: Option<u64>,
    write: impl FnOnce(&mut Vec<u8>, &mut Vec<Bytes>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let (start, first) = (out.len(), attachments.len());
    write_head(out, plain, 0, namespace, id);
    let body = out.len();
    let written = write(out, attachments).and_then(|()| match attachments.len() - first {
        found if found > limits.max_attachments => {
            Err(EncodeError::TooManyAttachments { found, limit: limits.max_attachments })
        }
        found => Ok(found),
    });
    match written {
        Ok(0) => {}
        // Only now is the number known; events with attachments pay the move, all others nothing.
        Ok(found) => {
            let mut head = Vec::with_capacity(body - start + 3);
            write_head(&mut head, binary, found, namespace, id);
            drop(out.splice(start..body, head));
        }
        Err(error) => {
            out.truncate(start);
            attachments.truncate(first);
            return Err(error);
        }
    }
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, name: &str, json: &str) {
        let event = split_event(payload).unwrap();
        assert_eq!((&*event.name, event.arguments.json()), (name, json));
    }

    #[track_caller]
    fn check_invalid(payload: &str, message: &str) {
        let error = split_event(payload).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }

    #[track_caller]
    fn check_encoded<T: ToArguments + ?Sized>(arguments: &T, wire: &str, binaries: &[&[u8]]) {
        let (mut out, mut attachments) = (b"4".to_vec(), Vec::new());
        encode_event(&mut out, "/", None, "e", arguments, &mut attachments, &Limits::default()).unwrap();
        assert_eq!(str::from_utf8(&out), Ok(wire));
        assert_eq!(attachments, binaries);
    }

    #[test]
    fn name_and_arguments_are_split() {
        check(r#"["a"]"#, "a", "");
        check(r#"["a",1]"#, "a", "1");
        check(r#"["a",1,{"b":["]"]},"c"]"#, "a", r#"1,{"b":["]"]},"c""#);
        check(r#"["",[]]"#, "", "[]");
        check("[\t\"a\" ,\n1 ]", "a", "1");
        check(r#"["toString",null]"#, "toString", "null");
        check(r#"["€😀"]"#, "€😀", "");
    }

    #[test]
    fn escapes_in_a_name_are_resolved() {
        check(r#"["a\"b",1]"#, "a\"b", "1");
        check(r#"["\\","x"]"#, "\\", r#""x""#);
        check(r#"["\u00e4\ud83d\ude00"]"#, "ä😀", "");
        check_invalid(r#"["\x"]"#, "invalid payload");
        check_invalid(r#"["\"]"#, "invalid payload");
        check_invalid(r#"["\u0063onnect"]"#, "invalid payload: event name \"connect\" is reserved");
    }

    #[test]
    fn an_ordinary_name_is_borrowed() {
        assert!(matches!(split_event(r#"["chat message",1]"#).unwrap().name, Cow::Borrowed("chat message")));
    }

    #[test]
    fn a_number_may_be_a_name() {
        check("[7]", "7", "");
        check("[-1.5e3,1]", "-1.5e3", "1");
        for payload in ["[01]", "[1.]", "[-]", "[1a]", "[+1]", "[1 2]", "[NaN]"] {
            check_invalid(payload, "invalid payload");
        }
    }

    #[test]
    fn no_payload_is_an_event_without_a_name() {
        check("", "", "");
    }

    #[test]
    fn other_names_are_refused() {
        for payload in ["[]", "[ ]", "[true]", "[null]", "[{}]", "[[]]", "[,1]", "{}", "[", "]", "\"a\""] {
            check_invalid(payload, "invalid payload");
        }
        for payload in [r#"["a"#, r#"["a]"#, r#"["a",]"#, r#"["a" 1]"#, r#"["a"1]"#, "[\"a\nb\"]", r#"["a"]]"#] {
            check_invalid(payload, "invalid payload");
        }
    }

    #[test]
    fn reserved_names_are_refused() {
        for name in RESERVED {
            check_invalid(&format!("[\"{name}\"]"), "invalid payload");
        }
    }

    #[test]
    fn arguments_are_encoded_behind_the_name() {
        check_encoded(&(), r#"42["e"]"#, &[]);
        check_encoded(&1, r#"42["e",1]"#, &[]);
        check_encoded("hi", r#"42["e","hi"]"#, &[]);
        check_encoded(&(1, "2", [3]), r#"42["e",1,"2",[3]]"#, &[]);
        check_encoded(&Bytes::from_static(b"x"), r#"451-["e",{"_placeholder":true,"num":0}]"#, &[b"x"]);
    }

    #[test]
    fn the_head_tells_namespace_id_and_attachments() {
        let (mut out, mut attachments) = (Vec::new(), Vec::new());
        let bytes = Bytes::from_static(b"x");
        let limits = Limits::default();
        encode_event(&mut out, "/a", Some(7), "q\"", &(&bytes, &bytes), &mut attachments, &limits).unwrap();
        let wire = r#"52-/a,7["q\"",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        assert_eq!(str::from_utf8(&out), Ok(wire));
    }

    #[test]
    fn an_ack_has_no_name() {
        let (mut out, mut attachments) = (Vec::new(), Vec::new());
        let limits = Limits::default();
        encode_ack(&mut out, "/", 3, &("a", 1), &mut attachments, &limits).unwrap();
        encode_ack(&mut out, "/", 4, &(), &mut attachments, &limits).unwrap();
        encode_ack(&mut out, "/", 5, &Bytes::new(), &mut attachments, &limits).unwrap();
        assert_eq!(str::from_utf8(&out), Ok(r#"33["a",1]34[]61-5[{"_placeholder":true,"num":0}]"#));
    }

    #[test]
    fn a_failed_emit_leaves_nothing_behind() {
        let (mut out, mut attachments) = (b"4".to_vec(), Vec::new());
        let eleven = vec![Bytes::from_static(b"x"); 11];
        let error = encode_event(&mut out, "/", None, "e", &eleven, &mut attachments, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "11 attachments exceed `max_attachments` (10)");
        let keyed = std::collections::HashMap::from([((1, 2), 3)]);
        let error = encode_event(&mut out, "/", None, "e", &keyed, &mut attachments, &Limits::default()).unwrap_err();
        assert!(matches!(error, EncodeError::Json(_)));
        assert_eq!((out.as_slice(), attachments.len()), (b"4".as_slice(), 0));
    }
}
