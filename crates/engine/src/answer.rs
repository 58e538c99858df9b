//! The answers to polling requests, and the form in which their packets go out.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sockeye_protocol::engine::{BodyKind, EncodedPayload, Packet, PeerEncoding, Query, encode_payload, wrap_jsonp};

use crate::body::Body;
use crate::connection::Connection;
use crate::engine::Engine;
use crate::sending::Compression;

/// How a polling client asks and wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By requests of a script.
    Plain,
    /// By scripts that it loads, and by forms: then everything is text.
    Jsonp,
}

impl Form {
    /// As Node's server, by the query alone, whatever the protocol. Clients repeat it with every request.
    pub(crate) fn of(query: &Query) -> Self {
        if query.jsonp.is_some() { Self::Jsonp } else { Self::Plain }
    }
}

/// The packets that answer a poll.
pub(crate) struct Answer {
    payload: EncodedPayload,
    compression: Compression,
}

impl Answer {
    pub(crate) fn new<'p>(
        connection: &Connection,
        form: Form,
        packets: impl Iterator<Item = Packet<'p>> + Clone,
        compression: Compression,
    ) -> Self {
        let peer = match form {
            Form::Plain => connection.peer_encoding(),
            Form::Jsonp => PeerEncoding::TextOnly,
        };
        Self { payload: encode_payload(connection.protocol(), peer, packets), compression }
    }

    /// The answer to a request with these headers and this query.
    pub(crate) async fn into_response(self, engine: &Engine, headers: &HeaderMap, query: &Query) -> Response<Body> {
        let Self { payload: EncodedPayload { body, kind }, compression } = self;
        let body = match &query.jsonp {
            // What goes out by JSONP is text, so nothing is lost here.
            Some(number) => wrap_jsonp(number, &String::from_utf8_lossy(&body)).into(),
            None => Bytes::from(body),
        };
        let coding = match compression {
            Compression::Allowed => engine.config().http_compression.coding(body.len(), headers),
            Compression::Never => None,
        };
        match coding {
            Some(coding) => match engine.compress(coding, body.clone()).await {
                Some(compressed) => {
                    let mut response = packets(kind, compressed);
                    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
                    response
                }
                None => packets(kind, body),
            },
            None => packets(kind, body),
        }
    }
}

fn packets(kind: BodyKind, body: Bytes) -> Response<Body> {
    let content_type = match kind {
        BodyKind::Text => "text/plain; charset=UTF-8",
        BodyKind::Binary => "application/octet-stream",
    };
    fresh(content_type, body.into())
}

/// The answer to packets that have been taken.
pub(crate) fn posted() -> Response<Body> {
    // Not text/plain, so that no browser offers the answer as a download.
    fresh("text/html", "ok".into())
}

/// An answer that no cache may keep.
fn fresh(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}
