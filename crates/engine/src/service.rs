//! Which part of the engine answers a request.

use std::net::IpAddr;

use bytes::Buf;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use sockeye_protocol::engine::{
    BadRequest, Intent, Query, Refusal, RequestHead, SessionId, Transport, VerifySettings, verify, verify_protocol,
};
use sockeye_websocket::deflate::Deflate;

use crate::answer::{Answer, Form, empty};
use crate::body::Body;
use crate::config::{EngineConfig, TrailingSlash};
use crate::connection::Connection;
use crate::engine::{Engine, Opening};
use crate::handshake::{Handshake, PeerAddress};
use crate::hooks::HandshakeRequest;
use crate::places::Place;
use crate::polling::PollRequest;
use crate::posting::post;
use crate::sending::Compression;
use crate::sessions::Sessions;
use crate::takeover::Takeover;
use crate::upgrade;
use crate::worker::now;

/// In how many seconds a client may find a place again that finds none now. JavaScript's follow their own back-off.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// A request while it is being answered.
struct Asked {
    head: Parts,
    query: Query,
    wants_upgrade: bool,
    /// Whether it came by a connection that can become a WebSocket.
    can_upgrade: bool,
    /// What the application's hooks see of it, if there are any.
    shown: Option<HandshakeRequest>,
}

/// An answer, and what becomes of the connection behind it if it is a `101`.
pub(crate) struct Answered {
    pub(crate) response: Response<Body>,
    pub(crate) takeover: Option<Takeover>,
}

impl From<Response<Body>> for Answered {
    fn from(response: Response<Body>) -> Self {
        Self { response, takeover: None }
    }
}

impl Engine {
    /// Whether requests for this path are the engine's: exactly its own, with a slash at the end or, if
    /// [allowed](EngineConfig::trailing_slash), without.
    pub fn owns(&self, path: &str) -> bool {
        let EngineConfig { path: own, trailing_slash, .. } = self.config();
        match path.strip_prefix(own.as_str()) {
            Some("/") => true,
            Some("") => *trailing_slash == TrailingSlash::Optional,
            _ => false,
        }
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
        if let Some(cors) = self.cors().filter(|_| head.method == Method::OPTIONS) {
            return cors.answer_preflight(&head.headers);
        }
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let wants_upgrade = is_upgrade(&head);
        let on_upgrade = wants_upgrade.then(|| head.extensions.remove::<OnUpgrade>()).flatten();
        let can_upgrade = on_upgrade.is_some();
        let asked = Asked { shown: self.config().hooks.show(&head), head, query, wants_upgrade, can_upgrade };
        let Answered { response, takeover } = self.answer_completely(&asked, body).await;
        if let Some((on_upgrade, takeover)) = on_upgrade.zip(takeover) {
            let engine = self.clone();
            self.spawn(async move {
                match on_upgrade.await {
                    Ok(upgraded) => takeover.begin(&engine, upgrade::take_apart(upgraded)).await,
                    Err(_) => takeover.fail(),
                }
            });
        }
        response
    }

    /// Answers a request that was read without an HTTP server, with a connection that can become a WebSocket.
    ///
    /// As with [`handle`](Self::handle), to drop the future before means that the client is gone.
    pub(crate) async fn handle_whole(&self, head: Parts, body: Body) -> Answered {
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let wants_upgrade = is_upgrade(&head);
        let shown = self.config().hooks.show(&head);
        let asked = Asked { head, query, wants_upgrade, can_upgrade: wants_upgrade, shown };
        self.answer_completely(&asked, body).await
    }

    async fn answer_completely<B>(&self, asked: &Asked, body: B) -> Answered
    where
        B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let answer = self.answer(asked, body).await;
        let mut answered = answer.unwrap_or_else(|refusal| {
            self.counters().refused(&refusal);
            refuse(&refusal, asked.wants_upgrade).into()
        });
        self.complete(asked, &mut answered.response);
        answered
    }

    async fn answer<B>(&self, asked: &Asked, body: B) -> Result<Answered, Refusal>
    where
        B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let intent = self.verify(asked)?;
        if self.is_closing() && matches!(intent, Intent::Open { .. }) {
            return Ok(empty(StatusCode::SERVICE_UNAVAILABLE).into());
        }
        let place = match intent {
            Intent::Open { .. } => self.place(self.address(asked))?,
            Intent::Continue(_) | Intent::Upgrade(_) | Intent::AcceptAndClose => None,
        };
        if let Some(shown) = asked.shown.as_ref().filter(|_| asked.query.sid.is_none()) {
            self.in_time(self.config().hooks.allow(shown), Refusal::Forbidden(None)).await?;
        }
        match (intent, asked.can_upgrade) {
            (Intent::Open { transport: Transport::Polling }, false) => {
                Ok(self.open_polling(asked, place).await?.into())
            }
            (Intent::Continue(sid), false) => Ok(self.poll_or_post(&sid, asked, body).await?.into()),
            (Intent::Open { transport: Transport::WebSocket }, true) => self.open_websocket(asked, place).await,
            (Intent::Upgrade(sid), true) => self.upgrade(&sid, &asked.head),
            (Intent::Open { .. } | Intent::Continue(_) | Intent::AcceptAndClose, true) => {
                Ok(accept_and_close(&asked.head))
            }
            (Intent::Open { .. } | Intent::Upgrade(_) | Intent::AcceptAndClose, false) => {
                // An older client is to blame for itself.
                if asked.head.version == Version::HTTP_11 {
                    tracing::warn!("the HTTP server does not let connections be upgraded: no WebSocket is possible");
                }
                Err(Refusal::BadRequest(BadRequest::TransportHandshake))
            }
        }
    }

    fn verify(&self, asked: &Asked) -> Result<Intent, Refusal> {
        let Asked { head, query, wants_upgrade, .. } = asked;
        let origin = head.headers.get(header::ORIGIN);
        let request = RequestHead {
            get: head.method == Method::GET,
            upgrade: *wants_upgrade,
            origin: origin.map(HeaderValue::as_bytes),
            query,
        };
        let settings = VerifySettings { transports: &self.config().transports };
        let intent = verify(&request, settings, |sid| self.session(sid).map(|session| session.transport()))?;
        if self.config().allowed_origins.allow(origin, Form::of(query)) {
            Ok(intent)
        } else {
            Err(Refusal::Forbidden(None))
        }
    }

    /// The session that a request names, unless its time is up: the request may come before the worker looks.
    fn session(&self, sid: &SessionId) -> Option<Connection> {
        self.sessions().get(sid)?.do_what_is_due(now());
        self.sessions().get(sid)
    }

    /// The address by which a new session is counted, if it is known.
    fn address(&self, asked: &Asked) -> Option<IpAddr> {
        let told = asked.shown.as_ref().and_then(|shown| self.config().hooks.client_address(shown));
        told.or_else(|| asked.head.extensions.get::<PeerAddress>().map(|address| address.0.ip()))
    }

    /// Adds what all answers have in common.
    fn complete(&self, asked: &Asked, response: &mut Response<Body>) {
        let Asked { head, query, wants_upgrade, shown, .. } = asked;
        let status = response.status();
        let is_let_in = status == StatusCode::OK || status == StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        if status == StatusCode::OK && is_old_explorer(&head.headers) {
            headers.insert(header::X_XSS_PROTECTION, HeaderValue::from_static("0"));
        }
        // A refused WebSocket gets its bare answer: no page can read that.
        if let Some(cors) = self.cors().filter(|_| is_let_in || !wants_upgrade) {
            cors.permit(&head.headers, headers);
        }
        if let Some(shown) = shown.as_ref().filter(|_| is_let_in) {
            let hooks = &self.config().hooks;
            if query.sid.is_none() {
                hooks.change_initial_headers(headers, shown);
            }
            hooks.change_headers(headers, shown);
        }
    }

    /// What the application decides, unless it takes too long.
    async fn in_time<T>(&self, decides: impl Future<Output = Result<T, Refusal>>, late: Refusal) -> Result<T, Refusal> {
        let limit = self.config().connect_timeout;
        tokio::time::timeout(limit, decides).await.unwrap_or_else(|_| {
            self.counters().bounds.connect_timeout.add();
            tracing::warn!(?limit, "a hook took longer than `connect_timeout`: refusing its request");
            Err(late)
        })
    }

    /// What a new session is to be, or why it may not be.
    async fn opening(&self, asked: &Asked, place: Option<Box<Place>>) -> Result<Opening, Refusal> {
        let protocol = verify_protocol(asked.query.protocol, self.config().protocols)?;
        let id = match &asked.shown {
            Some(shown) => {
                let late = Refusal::BadRequest(BadRequest::SessionId);
                self.in_time(self.config().hooks.new_id(shown), late).await?
            }
            None => None,
        };
        if id.is_some_and(|id| self.sessions().get(&id).is_some()) {
            tracing::error!("the application's session id is another session's");
            return Err(Refusal::BadRequest(BadRequest::SessionId));
        }
        let id = id.unwrap_or_else(Sessions::new_id);
        Ok(Opening { id, protocol, peer: asked.query.peer(), handshake: Handshake::new(&asked.head), place })
    }

    async fn open_polling(&self, asked: &Asked, place: Option<Box<Place>>) -> Result<Response<Body>, Refusal> {
        let connection = self.open(self.opening(asked, place).await?, Transport::Polling)?;
        let open = self.open_packet(&connection, Transport::Polling);
        let open = std::iter::once(open);
        let answer = Answer::new(&connection, Form::of(&asked.query), open, Compression::Allowed);
        let mut response = answer.into_response(self, &asked.head.headers, &asked.query).await;
        if let Some(cookie) = self.config().cookie.as_ref().and_then(|cookie| cookie.header(&connection.id())) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        self.accept(&connection);
        Ok(response)
    }

    async fn poll_or_post<B>(&self, sid: &SessionId, asked: &Asked, body: B) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data: Buf, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let connection = self.sessions().get(sid).ok_or(Refusal::UnknownSession)?;
        let Asked { head, query, .. } = asked;
        let form = Form::of(query);
        match head.method {
            Method::GET => match PollRequest::begin(connection, form) {
                Ok(poll) => Ok(poll.await.into_response(self, &head.headers, query).await),
                Err(response) => Ok(response),
            },
            // It is known only for its last poll.
            Method::POST if !connection.is_open() => Err(Refusal::UnknownSession),
            Method::POST => Ok(post(connection, form, &head.headers, body).await),
            _ => Ok(empty(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }

    async fn open_websocket(&self, asked: &Asked, place: Option<Box<Place>>) -> Result<Answered, Refusal> {
        let mut response = match upgrade::answer(&asked.head.headers) {
            Ok(response) => response,
            Err(response) => return Ok(response.into()),
        };
        let deflate = self.agree_on_deflate(&asked.head, &mut response);
        let session = Box::new(self.opening(asked, place).await?);
        Ok(Answered { response, takeover: Some(Takeover::Open { session, deflate }) })
    }

    fn upgrade(&self, sid: &SessionId, head: &Parts) -> Result<Answered, Refusal> {
        let mut response = match upgrade::answer(&head.headers) {
            Ok(response) => response,
            Err(response) => return Ok(response.into()),
        };
        let deflate = self.agree_on_deflate(head, &mut response);
        let connection = self.sessions().get(sid).ok_or(Refusal::UnknownSession)?;
        match connection.begin_upgrade() {
            Ok(attempt) => Ok(Answered { response, takeover: Some(Takeover::Probe { connection, attempt, deflate }) }),
            Err(refused) => {
                tracing::debug!(%refused, "upgrade refused");
                Ok(accept_and_close(head))
            }
        }
    }

    /// Settles on how the messages of a WebSocket are compressed, if they are, and says so in the answer.
    fn agree_on_deflate(&self, head: &Parts, response: &mut Response<Body>) -> Option<Deflate> {
        self.config().per_message_deflate?.agree(&head.headers, response)
    }
}

/// Some wrong requests are accepted and their WebSocket closed at once, as Node's server does.
fn accept_and_close(head: &Parts) -> Answered {
    match upgrade::answer(&head.headers) {
        Ok(response) => Answered { response, takeover: Some(Takeover::Close) },
        Err(response) => response.into(),
    }
}

fn is_upgrade(head: &Parts) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    head.headers.get(header::UPGRADE).is_some_and(websocket)
}

/// Old versions of Internet Explorer take our answers for an attack on their page.
fn is_old_explorer(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.contains(";MSIE") || agent.contains("Trident/")
}

fn refuse(refusal: &Refusal, upgrade: bool) -> Response<Body> {
    tracing::debug!(code = refusal.code(), context = ?refusal, "request refused");
    let mut response = if upgrade {
        upgrade::refused(refusal.message())
    } else {
        let mut response = Response::new(Body::from(refusal.body().into_bytes()));
        *response.status_mut() = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    if let Refusal::TooManyConnections = refusal {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}
