use std::{borrow::Cow, iter};

use memchr::{memchr, memchr_iter, memchr2};

use super::{InvalidSessionId, PeerEncoding, Protocol, SessionId, Transport};

/// The parameters of a request's query that Engine.IO knows.
///
/// Of a key given twice, the last value counts, as in Node. All others, such as the cache buster `t`, are passed over.
///
/// ```
/// use sockeye_protocol::engine::{Protocol, Query, Transport};
///
/// let query = Query::parse("EIO=4&transport=polling&t=abc");
/// assert_eq!(query.protocol, Some(Protocol::V4));
/// assert_eq!(query.transport, Some(Transport::Polling));
/// assert_eq!(query.sid, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `EIO`: revision of the protocol, if it is one that we speak.
    pub protocol: Option<Protocol>,
    /// `transport`: none if it is missing or unknown.
    pub transport: Option<Transport>,
    /// `sid`: none if missing or empty; an error if no session can have this id.
    pub sid: Option<Result<SessionId, InvalidSessionId>>,
    /// `b64`: the client takes text only. Any value but the empty one says so.
    pub base64: bool,
    /// `j`: the digits that number a JSONP callback, if the parameter is there.
    pub jsonp: Option<String>,
}

impl Query {
    /// Reads the query, which is what follows the `?` of a target.
    pub fn parse(query: &str) -> Self {
        let (mut eio, mut transport, mut sid, mut base64, mut jsonp) = (None, None, None, None, None);
        for (key, value) in pairs(query) {
            match &*key {
                "EIO" => eio = Some(value),
                "transport" => transport = Some(value),
                "sid" => sid = Some(value),
                "b64" => base64 = Some(value),
                "j" => jsonp = Some(value),
                _ => {}
            }
        }
        Self {
            protocol: Protocol::from_query(eio.as_deref()),
            transport: transport.and_then(|name| name.parse().ok()),
            sid: sid.filter(|sid| !sid.is_empty()).map(|sid| sid.parse()),
            base64: base64.is_some_and(|value| !value.is_empty()),
            jsonp: jsonp.map(|value| value.chars().filter(char::is_ascii_digit).collect()),
        }
    }

    /// What the client can take, by `b64`. Scripts are text too, but `j` is about the answer to one request only.
    pub fn peer(&self) -> PeerEncoding {
        if self.base64 { PeerEncoding::TextOnly } else { PeerEncoding::BinaryCapable }
    }
}

/// Keys and values. What is written plainly, and that is most of it, is not decoded.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let ends = memchr_iter(b'&', query.as_bytes()).chain([query.len()]);
    let starts = iter::once(0).chain(memchr_iter(b'&', query.as_bytes()).map(|end| end + 1));
    let pairs = starts.zip(ends).filter_map(|(start, end)| query.get(start..end));
    pairs.filter_map(|pair| {
        if memchr2(b'%', b'+', pair.as_bytes()).is_some() {
            return form_urlencoded::parse(pair.as_bytes()).next();
        }
        let end = memchr(b'=', pair.as_bytes()).unwrap_or(pair.len());
        Some((pair.get(..end)?.into(), pair.get(end + 1..).unwrap_or_default().into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_query_asks_for_nothing() {
        let query = Query::parse("");
        assert_eq!(query, Query { protocol: None, transport: None, sid: None, base64: false, jsonp: None });
        assert_eq!(query.peer(), PeerEncoding::BinaryCapable);
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let query = Query::parse("EIO=3&transport=polling&EIO=4&transport=websocket");
        assert_eq!((query.protocol, query.transport), (Some(Protocol::V4), Some(Transport::WebSocket)));
        assert_eq!(Query::parse("transport=polling&transport=constructor").transport, None);
    }

    #[test]
    fn any_value_of_b64_but_the_empty_one_is_yes() {
        assert!(Query::parse("b64=1").base64);
        assert!(Query::parse("b64=0").base64);
        assert!(Query::parse("b64=false").base64);
        assert!(!Query::parse("b64=").base64);
        assert!(!Query::parse("b64").base64);
    }

    #[test]
    fn an_empty_sid_is_none_and_a_strange_one_an_error() {
        assert_eq!(Query::parse("sid=").sid, None);
        assert_eq!(Query::parse("sid=..%2F").sid, Some(Err(InvalidSessionId)));
        let sid = SessionId::from_random([1; 15]);
        assert_eq!(Query::parse(&format!("sid={sid}")).sid, Some(Ok(sid)));
    }

    #[test]
    fn only_the_digits_of_j_are_kept() {
        assert_eq!(Query::parse("j=1a2);alert(3").jsonp.as_deref(), Some("123"));
        assert_eq!(Query::parse("j").jsonp.as_deref(), Some(""));
        assert_eq!(Query::parse("b64=1&j=0").peer(), PeerEncoding::TextOnly);
    }

    #[test]
    fn plain_pairs_are_split_as_all_others() {
        for query in ["", "a", "a=", "=a", "a=b=c", "a=b&c=d", "&", "&&a=b&", "a&b", "a=%41&b=+&%63=d", "é=ü", "a;b=c"]
        {
            let decoded: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
            let read: Vec<_> = pairs(query).filter(|(key, value)| !key.is_empty() || !value.is_empty()).collect();
            let decoded: Vec<_> =
                decoded.into_iter().filter(|(key, value)| !key.is_empty() || !value.is_empty()).collect();
            assert_eq!(read, decoded, "{query}");
        }
    }

    #[test]
    fn broken_escapes_do_no_harm() {
        assert_eq!(Query::parse("transport=%ff%&%=%00&sid=%").sid, Some(Err(InvalidSessionId)));
    }
}
