//! Which part of the engine answers a request.

use bytes::Buf;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use sockeye_protocol::engine::{
    BadRequest, Intent, Query, Refusal, RequestHead, SessionId, Transport, VerifySettings, verify, verify_protocol,
};
use sockeye_websocket::deflate::Deflate;

use crate::body::Body;
use crate::engine::{Engine, Opening};
use crate::handshake::Handshake;
use crate::polling::{self, PollRequest};
use crate::upgrade;

impl Engine {
    /// Whether requests for this path are the engine's: its own path, with or without a slash at the end.
    pub fn owns(&self, path: &str) -> bool {
        path.strip_prefix(&self.config().path).is_some_and(|rest| rest.is_empty() || rest == "/")
    }

    /// Answers a request whose path the engine [owns](Self::owns).
    ///
    /// It must run on a Tokio runtime. An answer to a poll comes when there is something to send; to drop the future
    /// before means that the client is gone, and ends its session.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (mut head, body) = request.into_parts();
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let wants_upgrade = is_upgrade(&head);
        let on_upgrade = wants_upgrade.then(|| head.extensions.remove::<OnUpgrade>()).flatten();
        let intent = match self.verify(&head, &query, wants_upgrade) {
            Ok(intent) => intent,
            Err(refusal) => return refuse(&refusal, wants_upgrade),
        };
        if self.is_closing() && matches!(intent, Intent::Open { .. }) {
            return polling::empty(StatusCode::SERVICE_UNAVAILABLE);
        }
        match (intent, on_upgrade) {
            (Intent::Open { transport: Transport::Polling }, None) => self.open_polling(&head, &query),
            (Intent::Continue(sid), None) => self.poll_or_post(&sid, &head, body).await,
            (Intent::Open { transport: Transport::WebSocket }, Some(on_upgrade)) => {
                self.open_websocket(&head, &query, on_upgrade)
            }
            (Intent::Upgrade(sid), Some(on_upgrade)) => self.upgrade(&sid, &head, on_upgrade),
            (Intent::Open { .. } | Intent::Continue(_) | Intent::AcceptAndClose, Some(on_upgrade)) => {
                self.accept_and_close(&head, on_upgrade)
            }
            (Intent::Open { .. } | Intent::Upgrade(_) | Intent::AcceptAndClose, None) => {
                // An older client is to blame for itself.
                if head.version == Version::HTTP_11 {
                    tracing::warn!("the HTTP server does not let connections be upgraded: no WebSocket is possible");
                }
                refuse(&Refusal::BadRequest(BadRequest::TransportHandshake), wants_upgrade)
            }
        }
    }

    fn verify(&self, head: &Parts, query: &Query, upgrade: bool) -> Result<Intent, Refusal> {
        let request = RequestHead {
            get: head.method == Method::GET,
            upgrade,
            origin: head.headers.get(header::ORIGIN).map(HeaderValue::as_bytes),
            query,
        };
        let settings = VerifySettings { transports: &self.config().transports };
        let intent = verify(&request, settings, |sid| self.sessions().get(sid).map(|session| session.transport()))?;
        Ok(intent)
    }

    /// What a new session is to be, or why it may not be.
    fn opening(&self, head: &Parts, query: &Query) -> Result<Opening, Refusal> {
        let protocol = verify_protocol(query.protocol, self.config().protocols)?;
        Ok(Opening { protocol, peer: query.peer(), handshake: Handshake::new(head) })
    }

    fn open_polling(&self, head: &Parts, query: &Query) -> Response<Body> {
        let connection = match self.opening(head, query) {
            Ok(opening) => self.open(opening, Transport::Polling),
            Err(refusal) => return refuse(&refusal, false),
        };
        let open = self.open_packet(&connection, Transport::Polling);
        let response = polling::first(&connection, open);
        self.accept(&connection);
        response
    }

    async fn poll_or_post<B>(&self, sid: &SessionId, head: &Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let Some(connection) = self.sessions().get(sid) else { return refuse(&Refusal::UnknownSession, false) };
        match head.method {
            Method::GET => match PollRequest::begin(connection) {
                Ok(poll) => poll.await,
                Err(response) => response,
            },
            // It is known only for its last poll.
            Method::POST if !connection.is_open() => refuse(&Refusal::UnknownSession, false),
            Method::POST => polling::post(connection, &head.headers, body).await,
            _ => polling::empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn open_websocket(&self, head: &Parts, query: &Query, on_upgrade: OnUpgrade) -> Response<Body> {
        let mut response = match upgrade::answer(&head.headers) {
            Ok(response) => response,
            Err(response) => return response,
        };
        let deflate = self.agree_on_deflate(head, &mut response);
        let opening = match self.opening(head, query) {
            Ok(opening) => opening,
            Err(refusal) => return refuse(&refusal, true),
        };
        let engine = self.clone();
        self.spawn(async move {
            if let Ok(upgraded) = on_upgrade.await {
                engine.start_websocket(opening, upgrade::take_apart(upgraded).with_deflate(deflate));
            }
        });
        response
    }

    fn upgrade(&self, sid: &SessionId, head: &Parts, on_upgrade: OnUpgrade) -> Response<Body> {
        let mut response = match upgrade::answer(&head.headers) {
            Ok(response) => response,
            Err(response) => return response,
        };
        let deflate = self.agree_on_deflate(head, &mut response);
        let Some(connection) = self.sessions().get(sid) else { return refuse(&Refusal::UnknownSession, true) };
        match connection.begin_upgrade() {
            Ok(attempt) => {
                let engine = self.clone();
                self.spawn(async move {
                    match on_upgrade.await {
                        Ok(upgraded) => {
                            let socket = upgrade::take_apart(upgraded).with_deflate(deflate);
                            engine.start_probe(connection, attempt, socket);
                        }
                        Err(_) => connection.upgrade_failed(attempt),
                    }
                });
                response
            }
            Err(refused) => {
                tracing::debug!(%refused, "upgrade refused");
                self.accept_and_close(head, on_upgrade)
            }
        }
    }

    /// Settles on how the messages of a WebSocket are compressed, if they are, and says so in the answer.
    fn agree_on_deflate(&self, head: &Parts, response: &mut Response<Body>) -> Option<Deflate> {
        self.config().per_message_deflate?.agree(&head.headers, response)
    }

    /// Some wrong requests are accepted and their WebSocket closed at once, as Node's server does.
    fn accept_and_close(&self, head: &Parts, on_upgrade: OnUpgrade) -> Response<Body> {
        let response = match upgrade::answer(&head.headers) {
            Ok(response) => response,
            Err(response) => return response,
        };
        let engine = self.clone();
        self.spawn(async move {
            if let Ok(upgraded) = on_upgrade.await {
                engine.close_at_once(upgrade::take_apart(upgraded)).await;
            }
        });
        response
    }
}

fn is_upgrade(head: &Parts) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    head.headers.get(header::UPGRADE).is_some_and(websocket)
}

fn refuse(refusal: &Refusal, upgrade: bool) -> Response<Body> {
    tracing::debug!(code = refusal.code(), context = ?refusal, "request refused");
    if upgrade {
        return upgrade::refused(refusal.message());
    }
    let mut response = Response::new(Body::from(refusal.body().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
