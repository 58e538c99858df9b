use std::{collections::HashSet, time::Duration};

use sockeye_adapter::{Room, Selection, cluster::Flags};
use sockeye_protocol::socket::Value;

use super::{
    DecodeError, EncodeError,
    fields::{Fields, object, room},
};

/// The rooms of a message, each once; none stands for everybody.
pub(super) fn rooms(selection: &Selection) -> Result<Vec<&Room>, EncodeError> {
    match selection.rooms() {
        None => Ok(Vec::new()),
        Some([]) => Err(EncodeError::Nobody),
        Some(rooms) => Ok(distinct(rooms)),
    }
}

/// The one room that a message is for, if it is one.
pub(super) fn only_room(selection: &Selection) -> Option<&Room> {
    let (first, more) = selection.rooms()?.split_first()?;
    more.iter().all(|room| room == first).then_some(first)
}

pub(super) fn excepted(selection: &Selection) -> Vec<&Room> {
    distinct(selection.excepted())
}

fn distinct(rooms: &[Room]) -> Vec<&Room> {
    if rooms.len() < 2 {
        return rooms.iter().collect();
    }
    let mut seen = HashSet::new();
    rooms.iter().filter(|room| seen.insert(room.as_str())).collect()
}

/// Names as a list.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a (impl AsRef<str> + 'a)>) -> Value {
    Value::Array(names.into_iter().map(|name| name.as_ref().into()).collect())
}

/// `{rooms, except}`.
pub(super) fn write_selection(selection: &Selection) -> Result<Value, EncodeError> {
    Ok(object([("rooms", names(rooms(selection)?)), ("except", names(excepted(selection)))]))
}

/// `{rooms, except, flags}`; emitters have the last two the other way round.
pub(super) fn write_options(selection: &Selection, flags: Flags, emitter: bool) -> Result<Value, EncodeError> {
    let rooms = ("rooms", names(rooms(selection)?));
    let except = ("except", names(excepted(selection)));
    let flags = ("flags", write_flags(flags));
    Ok(if emitter { object([rooms, flags, except]) } else { object([rooms, except, flags]) })
}

fn write_flags(flags: Flags) -> Value {
    let set = |name, flag: bool| flag.then(|| (name, flag.into()));
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let entries = [
        set("expectSingleResponse", flags.single_answer),
        set("volatile", flags.volatile),
        flags.compress.map(|compress| ("compress", compress.into())),
        flags.timeout.map(|timeout| ("timeout", milliseconds(timeout).into())),
    ];
    Value::Object(entries.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Reads `{rooms, except?, flags?}`.
pub(super) fn read_options(value: Value) -> Result<(Selection, Flags), DecodeError> {
    let mut fields = Fields::of(value, "opts")?;
    let selection = read_selection(&mut fields)?;
    let flags = match fields.take("flags") {
        Value::Null => Flags::default(),
        flags => read_flags(Fields::of(flags, "flags")?),
    };
    Ok((selection, flags))
}

/// Reads `rooms` and `except?`. Without rooms everybody is meant; rooms that nobody can be in still narrow.
pub(super) fn read_selection(fields: &mut Fields) -> Result<Selection, DecodeError> {
    let rooms = fields.list("rooms")?;
    let all = Selection::all().except(fields.rooms("except")?);
    if rooms.is_empty() {
        return Ok(all);
    }
    Ok(all.to(rooms.into_iter().filter_map(room).collect::<Vec<_>>()))
}

fn read_flags(mut fields: Fields) -> Flags {
    Flags {
        volatile: fields.truth("volatile"),
        compress: fields.has("compress").then(|| fields.truth("compress")),
        timeout: milliseconds(&fields.take("timeout")),
        single_answer: fields.truth("expectSingleResponse"),
    }
}

/// A time in milliseconds. What can't be waited for is no time.
fn milliseconds(time: &Value) -> Option<Duration> {
    let Value::Number(number) = time else { return None };
    match number.as_u64() {
        Some(whole) => Some(Duration::from_millis(whole)),
        None => Duration::try_from_secs_f64(number.as_f64()? / 1000.0).ok(),
    }
}
