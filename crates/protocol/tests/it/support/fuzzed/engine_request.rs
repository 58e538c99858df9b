//! Queries of requests, and what becomes of these: nothing that a server has switched off, and no session it lacks.

use sockeye_protocol::engine::{
    Intent, Protocol, Query, RequestHead, Transport, VerifySettings, verify, verify_protocol,
};

/// Judges a request. The first byte chooses: 1 is a POST, 2 an upgrade, 4 a session that is there, 8 one that polls,
/// 16 and 32 the transports that may be used, 64 old clients that are refused. Then come the `Origin`, a line
/// feed, and the query.
///
/// # Panics
/// If the intent does not fit the request, or if a refusal has no body that clients can read.
pub(crate) fn run(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else { return };
    let is = |bit: u8| choice & bit != 0;
    let (origin, query) = rest.iter().position(|byte| *byte == b'\n').map_or((None, rest), |end| {
        let (origin, query) = rest.split_at(end);
        (Some(origin), &query[1..])
    });
    let Ok(query) = str::from_utf8(query) else { return };
    let query = Query::parse(query);
    assert!(query.jsonp.as_ref().is_none_or(|number| number.bytes().all(|byte| byte.is_ascii_digit())));

    let transports: Vec<Transport> = [(16, Transport::Polling), (32, Transport::WebSocket)]
        .into_iter()
        .filter_map(|(on, transport)| is(on).then_some(transport))
        .collect();
    let protocols: &[Protocol] = if is(64) { &[Protocol::V4] } else { &[Protocol::V3, Protocol::V4] };
    let current = is(4).then_some(if is(8) { Transport::Polling } else { Transport::WebSocket });
    let request = RequestHead { get: !is(1), upgrade: is(2), origin, query: &query };
    match verify(&request, VerifySettings { transports: &transports }, |_| current) {
        Ok(intent) => {
            check(intent, &request, &transports, current);
            if let Ok(protocol) = verify_protocol(query.protocol, protocols) {
                assert!(protocols.contains(&protocol));
            }
        }
        Err(refusal) => {
            let body: serde_json::Value = serde_json::from_str(&refusal.body()).expect("JSON");
            assert_eq!((&body["code"], &body["message"]), (&refusal.code().into(), &refusal.message().into()));
        }
    }
}

fn check(intent: Intent, request: &RequestHead<'_>, transports: &[Transport], current: Option<Transport>) {
    let asked = request.query.transport.filter(|asked| transports.contains(asked));
    assert!(asked.is_some(), "let in without a transport: {intent:?}");
    match intent {
        Intent::Open { transport } => {
            assert_eq!((asked, request.query.sid), (Some(transport), None));
            assert!(request.get);
            assert_eq!(request.upgrade, transport == Transport::WebSocket);
        }
        Intent::Continue(sid) => {
            assert_eq!((request.query.sid, current), (Some(Ok(sid)), Some(Transport::Polling)));
            assert!(!request.upgrade);
        }
        Intent::Upgrade(sid) => {
            assert_eq!((request.query.sid, asked), (Some(Ok(sid)), Some(Transport::WebSocket)));
            assert!(current.is_some() && request.get && request.upgrade);
        }
        Intent::AcceptAndClose => assert!(request.get && request.upgrade),
    }
}
