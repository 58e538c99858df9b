use super::{Protocol, Query, SessionId, Transport};

/// The parts of a request that decide whether it is let in.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method is GET.
    pub get: bool,
    /// The request asks to become a WebSocket.
    pub upgrade: bool,
    /// Value of the `Origin` header.
    pub origin: Option<&'a [u8]>,
    /// The parameters of the query.
    pub query: &'a Query,
}

/// What [`verify`] has to know of the server's settings.
#[derive(Clone, Copy, Debug)]
pub struct VerifySettings<'a> {
    /// Transports that may be used.
    pub transports: &'a [Transport],
}

/// What a request wants, once it was found to be in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A new session, over this transport.
    Open {
        /// Transport of the first packets.
        transport: Transport,
    },
    /// To read from (GET) or write to (POST) a session that polls.
    Continue(SessionId),
    /// To move this session to the WebSocket that the request becomes. The session may still refuse.
    Upgrade(SessionId),
    /// Nothing that makes sense: a WebSocket for `transport=polling`. Node accepts it and closes it at once.
    AcceptAndClose,
}

/// Judges a request in Node's order: transport, origin, session, then the rules for a new one.
///
/// `current_transport` tells how a session travels now, or that there is none. Still to be asked for an
/// [`Intent::Open`], in this order: the application's own check ([`Refusal::Forbidden`]), then [`verify_protocol`].
///
/// ```
/// use sockeye_protocol::engine::{Intent, Query, Refusal, RequestHead, Transport, VerifySettings, verify};
///
/// let settings = VerifySettings { transports: &[Transport::Polling, Transport::WebSocket] };
/// let query = Query::parse("EIO=4&transport=polling");
/// let request = RequestHead { get: true, upgrade: false, origin: None, query: &query };
/// assert_eq!(verify(&request, settings, |_| None), Ok(Intent::Open { transport: Transport::Polling }));
/// let post = RequestHead { get: false, ..request };
/// assert_eq!(verify(&post, settings, |_| None), Err(Refusal::BadHandshakeMethod));
/// ```
///
/// # Errors
/// The [`Refusal`] to answer with.
pub fn verify(
    request: &RequestHead<'_>,
    settings: VerifySettings<'_>,
    current_transport: impl FnOnce(&SessionId) -> Option<Transport>,
) -> Result<Intent, Refusal> {
    let transport = request.query.transport.filter(|transport| settings.transports.contains(transport));
    let transport = transport.ok_or(Refusal::UnknownTransport)?;
    if !request.origin.unwrap_or_default().iter().copied().all(is_header_character) {
        return Err(Refusal::BadRequest(BadRequest::InvalidOrigin));
    }
    match request.query.sid {
        Some(sid) => {
            let sid = sid.map_err(|_| Refusal::UnknownSession)?;
            let current = current_transport(&sid).ok_or(Refusal::UnknownSession)?;
            // A WebSocket begins with a GET (RFC 6455, section 4.1).
            if request.upgrade && !request.get {
                return Err(Refusal::BadHandshakeMethod);
            }
            verify_known(request.upgrade, transport, current, sid)
        }
        None => verify_new(request, transport),
    }
}

fn verify_known(upgrade: bool, asked: Transport, current: Transport, sid: SessionId) -> Result<Intent, Refusal> {
    match (upgrade, asked) {
        (true, Transport::WebSocket) => Ok(Intent::Upgrade(sid)),
        (true, Transport::Polling) => Ok(Intent::AcceptAndClose),
        (false, _) if asked != current => Err(Refusal::BadRequest(BadRequest::TransportMismatch)),
        // Node leaves this request without an answer.
        (false, Transport::WebSocket) => Err(Refusal::BadRequest(BadRequest::TransportHandshake)),
        (false, Transport::Polling) => Ok(Intent::Continue(sid)),
    }
}

fn verify_new(request: &RequestHead<'_>, transport: Transport) -> Result<Intent, Refusal> {
    match (request.upgrade, transport) {
        _ if !request.get => Err(Refusal::BadHandshakeMethod),
        (false, Transport::WebSocket) => Err(Refusal::BadRequest(BadRequest::TransportHandshake)),
        (true, Transport::Polling) => Ok(Intent::AcceptAndClose),
        _ => Ok(Intent::Open { transport }),
    }
}

/// Refuses a new session in a revision that the server does not accept.
///
/// # Errors
/// [`Refusal::UnsupportedProtocol`].
pub fn verify_protocol(asked: Option<Protocol>, accepted: &[Protocol]) -> Result<Protocol, Refusal> {
    asked.filter(|protocol| accepted.contains(protocol)).ok_or(Refusal::UnsupportedProtocol)
}

/// What may stand in the value of a header: no control characters but the tab.
fn is_header_character(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)
}

/// Why a request is turned away, with Node's codes, words and status.
///
/// ```
/// use sockeye_protocol::engine::Refusal;
///
/// assert_eq!(Refusal::UnknownSession.body(), r#"{"code":1,"message":"Session ID unknown"}"#);
/// assert_eq!(Refusal::Forbidden(Some("say \"please\"".into())).body(), r#"{"code":4,"message":"say \"please\""}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub enum Refusal {
    /// Code 0: the transport is missing, unknown or switched off.
    UnknownTransport,
    /// Code 1: there is no session with this id.
    UnknownSession,
    /// Code 2: a new session is asked for by GET only.
    BadHandshakeMethod,
    /// Code 3: see the reason within.
    BadRequest(BadRequest),
    /// Code 4: the application said no, perhaps in its own words.
    Forbidden(Option<String>),
    /// Code 5: the revision of the protocol is not accepted.
    UnsupportedProtocol,
    /// Code 6, of our own: there are as many connections as there may be.
    TooManyConnections,
}

impl Refusal {
    /// The name of each kind, for metrics, at the place of its number.
    pub const KINDS: [&str; 7] = [
        "unknown_transport",
        "unknown_session",
        "bad_handshake_method",
        "bad_request",
        "forbidden",
        "unsupported_protocol",
        "too_many_connections",
    ];

    /// The number in the body.
    pub const fn code(&self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSession => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest(_) => 3,
            Self::Forbidden(_) => 4,
            Self::UnsupportedProtocol => 5,
            Self::TooManyConnections => 6,
        }
    }

    /// The words in the body, or all of the body when a WebSocket is refused.
    pub fn message(&self) -> &str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSession => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest(_) => "Bad request",
            Self::Forbidden(message) => message.as_deref().unwrap_or("Forbidden"),
            Self::UnsupportedProtocol => "Unsupported protocol version",
            Self::TooManyConnections => "Too many connections",
        }
    }

    /// Status of the HTTP answer: 403 if forbidden, 503 if there are too many, else 400. A WebSocket that is forbidden gets
    /// 400 too.
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Forbidden(_) => 403,
            Self::TooManyConnections => 503,
            _ => 400,
        }
    }

    /// The JSON of the HTTP answer.
    pub fn body(&self) -> String {
        format!(r#"{{"code":{},"message":{}}}"#, self.code(), serde_json::Value::from(self.message()))
    }
}

/// What is wrong with a request that is answered with code 3. Clients are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadRequest {
    /// The `Origin` header holds characters that no header may.
    InvalidOrigin,
    /// The session travels by another transport.
    TransportMismatch,
    /// A WebSocket is wanted, but the request is a plain one.
    TransportHandshake,
    /// The application's layers in front failed.
    Middleware,
    /// No id could be made for the new session.
    SessionId,
}

impl BadRequest {
    /// Node's word for it, for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidOrigin => "INVALID_ORIGIN",
            Self::TransportMismatch => "TRANSPORT_MISMATCH",
            Self::TransportHandshake => "TRANSPORT_HANDSHAKE_ERROR",
            Self::Middleware => "MIDDLEWARE_FAILURE",
            Self::SessionId => "ID_GENERATION_ERROR",
        }
    }
}

#[cfg(test)]
mod tests {
    use Transport::{Polling, WebSocket};

    use super::*;

    const SID: &str = "AAAAAAAAAAAAAAAAAAAA";

    fn sid() -> SessionId {
        SID.parse().unwrap()
    }

    struct Case {
        get: bool,
        upgrade: bool,
        origin: Option<&'static [u8]>,
        enabled: &'static [Transport],
        current: Option<Transport>,
    }

    const CASE: Case = Case { get: true, upgrade: false, origin: None, enabled: &[Polling, WebSocket], current: None };

    #[track_caller]
    fn check(query: &str, case: &Case, expected: &Result<Intent, Refusal>) {
        let query = Query::parse(query);
        let head = RequestHead { get: case.get, upgrade: case.upgrade, origin: case.origin, query: &query };
        assert_eq!(verify(&head, VerifySettings { transports: case.enabled }, |_| case.current), *expected);
    }

    fn bad(reason: BadRequest) -> Result<Intent, Refusal> {
        Err(Refusal::BadRequest(reason))
    }

    #[test]
    fn an_unknown_transport_is_refused_before_all_else() {
        let worst = Case { get: false, origin: Some(b"\x01"), ..CASE };
        for query in ["", "transport=", "transport=constructor&sid=x", "transport=__proto__", "transport=webtransport"]
        {
            check(query, &worst, &Err(Refusal::UnknownTransport));
        }
        check("transport=websocket", &Case { enabled: &[Polling], ..CASE }, &Err(Refusal::UnknownTransport));
    }

    #[test]
    fn an_illegal_origin_is_refused_before_the_session_is_looked_up() {
        check("transport=polling&sid=x", &Case { origin: Some(b"a\x01"), ..CASE }, &bad(BadRequest::InvalidOrigin));
        let opened = Ok(Intent::Open { transport: Polling });
        check("transport=polling", &Case { origin: Some(b"http://\xe4\t~"), ..CASE }, &opened);
    }

    #[test]
    fn a_session_must_be_known() {
        check(&format!("transport=polling&sid={SID}"), &CASE, &Err(Refusal::UnknownSession));
        check(
            "transport=polling&sid=constructor",
            &Case { current: Some(Polling), ..CASE },
            &Err(Refusal::UnknownSession),
        );
    }

    #[test]
    fn a_plain_request_uses_the_transport_of_its_session() {
        let polling = format!("transport=polling&sid={SID}");
        let websocket = format!("transport=websocket&sid={SID}");
        check(&polling, &Case { current: Some(Polling), ..CASE }, &Ok(Intent::Continue(sid())));
        check(&polling, &Case { current: Some(Polling), get: false, ..CASE }, &Ok(Intent::Continue(sid())));
        check(&polling, &Case { current: Some(WebSocket), ..CASE }, &bad(BadRequest::TransportMismatch));
        check(&websocket, &Case { current: Some(Polling), ..CASE }, &bad(BadRequest::TransportMismatch));
        check(&websocket, &Case { current: Some(WebSocket), ..CASE }, &bad(BadRequest::TransportHandshake));
    }

    #[test]
    fn an_upgrade_names_its_session() {
        let case = Case { upgrade: true, current: Some(Polling), ..CASE };
        check(&format!("transport=websocket&sid={SID}"), &case, &Ok(Intent::Upgrade(sid())));
        check(&format!("transport=polling&sid={SID}"), &case, &Ok(Intent::AcceptAndClose));
    }

    #[test]
    fn a_new_session_is_asked_for_by_get() {
        check("transport=polling", &CASE, &Ok(Intent::Open { transport: Polling }));
        check("transport=polling", &Case { get: false, ..CASE }, &Err(Refusal::BadHandshakeMethod));
        check("transport=websocket", &Case { get: false, ..CASE }, &Err(Refusal::BadHandshakeMethod));
        check("transport=websocket", &CASE, &bad(BadRequest::TransportHandshake));
        check("transport=websocket", &Case { upgrade: true, ..CASE }, &Ok(Intent::Open { transport: WebSocket }));
        check("transport=polling", &Case { upgrade: true, ..CASE }, &Ok(Intent::AcceptAndClose));
    }

    #[test]
    fn revision_3_may_be_refused() {
        let both = [Protocol::V3, Protocol::V4];
        assert_eq!(verify_protocol(Some(Protocol::V3), &[Protocol::V4]), Err(Refusal::UnsupportedProtocol));
        assert_eq!(verify_protocol(Some(Protocol::V3), &both), Ok(Protocol::V3));
        assert_eq!(verify_protocol(None, &both), Err(Refusal::UnsupportedProtocol));
    }

    #[test]
    fn answers_are_node_s_to_the_letter() {
        for (refusal, status, body) in [
            (Refusal::UnknownTransport, 400, r#"{"code":0,"message":"Transport unknown"}"#),
            (Refusal::UnknownSession, 400, r#"{"code":1,"message":"Session ID unknown"}"#),
            (Refusal::BadHandshakeMethod, 400, r#"{"code":2,"message":"Bad handshake method"}"#),
            (Refusal::BadRequest(BadRequest::InvalidOrigin), 400, r#"{"code":3,"message":"Bad request"}"#),
            (Refusal::Forbidden(None), 403, r#"{"code":4,"message":"Forbidden"}"#),
            (Refusal::Forbidden(Some("no".into())), 403, r#"{"code":4,"message":"no"}"#),
            (Refusal::UnsupportedProtocol, 400, r#"{"code":5,"message":"Unsupported protocol version"}"#),
            (Refusal::TooManyConnections, 503, r#"{"code":6,"message":"Too many connections"}"#),
        ] {
            assert_eq!((refusal.http_status(), refusal.body().as_str()), (status, body));
        }
    }
}
