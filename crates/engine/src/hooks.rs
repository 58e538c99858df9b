//! What an application has a say in: who may open a session, under which id, and with which headers it is answered.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use sockeye_protocol::engine::{BadRequest, Refusal, SessionId};

use crate::config::EngineConfig;
use crate::handshake::{PeerAddress, Secure, last_of};

/// A request to the server, as the application's hooks see it. Cheap to clone.
#[derive(Clone)]
pub struct HandshakeRequest(Arc<Parts>);

/// Why the application does not let a client in.
///
/// The client gets its message, on polling with status 403 and `{"code":4,"message":…}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forbidden(Option<String>);

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type BoxError = Box<dyn Error + Send + Sync>;
type Hook<T> = Arc<dyn Fn(HandshakeRequest) -> BoxFuture<T> + Send + Sync>;
type AddressHook = Arc<dyn Fn(&HandshakeRequest) -> Option<IpAddr> + Send + Sync>;
type HeaderHook = Arc<dyn Fn(&mut HeaderMap, &HandshakeRequest) + Send + Sync>;

/// The application's hooks, none of which must be there.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    allow_request: Option<Hook<Result<(), Forbidden>>>,
    generate_id: Option<Hook<Result<SessionId, BoxError>>>,
    client_address: Option<AddressHook>,
    initial_headers: Option<HeaderHook>,
    headers: Option<HeaderHook>,
}

impl EngineConfig {
    /// Asks `allow` about every request for a new session; who is refused gets the message of [`Forbidden`].
    ///
    /// Requests of a session that is open are not asked about: its id is a secret. A client that goes away meanwhile is
    /// not waited for; a hook that panics, or takes longer than [`connect_timeout`](Self::connect_timeout), refuses.
    ///
    /// ```
    /// use sockeye_engine::{EngineConfig, Forbidden, HandshakeRequest};
    ///
    /// let config = EngineConfig::default().allow_request(async |request: HandshakeRequest| {
    ///     match request.query("token").as_deref() {
    ///         Some("secret") => Ok(()),
    ///         _ => Err(Forbidden::new("no such token")),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn allow_request<F, R>(mut self, allow: F) -> Self
    where
        F: Fn(HandshakeRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Forbidden>> + Send + 'static,
    {
        self.hooks.allow_request = Some(Arc::new(move |request| Box::pin(allow(request))));
        self
    }

    /// Has `generate` make the ids of sessions. Default: 120 random bits each.
    ///
    /// An id is a secret of 20 characters of `A-Z a-z 0-9 _ -`, as Node's are; other lengths can't be used. If it can't
    /// be made within [`connect_timeout`](Self::connect_timeout), or is another session's, the request is refused with code 3.
    ///
    /// ```
    /// use sockeye_engine::{EngineConfig, HandshakeRequest, SessionId};
    ///
    /// # async fn next_id() -> String { String::new() }
    /// let config = EngineConfig::default()
    ///     .generate_id(async |_: HandshakeRequest| next_id().await.parse::<SessionId>());
    /// ```
    #[must_use]
    pub fn generate_id<F, R, E>(mut self, generate: F) -> Self
    where
        F: Fn(HandshakeRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<SessionId, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let hook = move |request| -> BoxFuture<_> {
            let made = generate(request);
            Box::pin(async move { made.await.map_err(Into::into) })
        };
        self.hooks.generate_id = Some(Arc::new(hook));
        self
    }

    /// Has `tell` tell the address by which a session counts for
    /// [`max_connections_per_address`](Self::max_connections_per_address), behind a proxy that names it in a header.
    ///
    /// Where it says `None`, or panics, the peer's address counts: the proxy's. Only a header that the proxy sets whatever
    /// the client sends is to be trusted.
    ///
    /// ```
    /// use sockeye_engine::EngineConfig;
    ///
    /// let config = EngineConfig::default()
    ///     .max_connections_per_address(20)
    ///     .client_address(|request| request.header("x-real-ip")?.parse().ok());
    /// ```
    #[must_use]
    pub fn client_address(
        mut self,
        tell: impl Fn(&HandshakeRequest) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.client_address = Some(Arc::new(tell));
        self
    }

    /// Lets `change` change the headers of the first answer of each session: of its first poll, or of its WebSocket.
    ///
    /// It sees what the server has set, cookie and CORS included, and must not block.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use sockeye_engine::EngineConfig;
    ///
    /// let config = EngineConfig::default().on_initial_headers(|headers, _| {
    ///     headers.insert("x-node", HeaderValue::from_static("7"));
    /// });
    /// ```
    #[must_use]
    pub fn on_initial_headers(
        mut self,
        change: impl Fn(&mut HeaderMap, &HandshakeRequest) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.initial_headers = Some(Arc::new(change));
        self
    }

    /// Lets `change` change the headers of every answer to a client that is let in, whatever it asks for.
    ///
    /// It comes after [`on_initial_headers`](Self::on_initial_headers). Refusals are not shown to it.
    #[must_use]
    pub fn on_headers(mut self, change: impl Fn(&mut HeaderMap, &HandshakeRequest) + Send + Sync + 'static) -> Self {
        self.hooks.headers = Some(Arc::new(change));
        self
    }
}

impl Hooks {
    /// The request as hooks see it, if there are any.
    pub(crate) fn show(&self, head: &Parts) -> Option<HandshakeRequest> {
        let Self { allow_request, generate_id, client_address, initial_headers, headers } = self;
        let asks = allow_request.is_some() || generate_id.is_some() || client_address.is_some();
        let is_set = asks || initial_headers.is_some() || headers.is_some();
        is_set.then(|| HandshakeRequest(Arc::new(head.clone())))
    }

    /// The address that the application says a client has, if it says so.
    pub(crate) fn client_address(&self, request: &HandshakeRequest) -> Option<IpAddr> {
        let tell = self.client_address.as_ref()?;
        catch_unwind(AssertUnwindSafe(|| tell(request))).unwrap_or_else(|_| {
            tracing::error!("`client_address` panicked: the peer's address counts");
            None
        })
    }

    pub(crate) async fn allow(&self, request: &HandshakeRequest) -> Result<(), Refusal> {
        let Some(allow) = &self.allow_request else { return Ok(()) };
        match guarded("allow_request", || allow(request.clone())).await {
            Some(Ok(())) => Ok(()),
            Some(Err(Forbidden(message))) => Err(Refusal::Forbidden(message)),
            None => Err(Refusal::Forbidden(None)),
        }
    }

    /// The id of a new session, if it is the application's to make.
    pub(crate) async fn new_id(&self, request: &HandshakeRequest) -> Result<Option<SessionId>, Refusal> {
        let Some(generate) = &self.generate_id else { return Ok(None) };
        match guarded("generate_id", || generate(request.clone())).await {
            Some(Ok(id)) => Ok(Some(id)),
            Some(Err(error)) => {
                tracing::error!(%error, "no session id could be made");
                Err(Refusal::BadRequest(BadRequest::SessionId))
            }
            None => Err(Refusal::BadRequest(BadRequest::SessionId)),
        }
    }

    pub(crate) fn change_initial_headers(&self, headers: &mut HeaderMap, request: &HandshakeRequest) {
        change(self.initial_headers.as_ref(), headers, request);
    }

    pub(crate) fn change_headers(&self, headers: &mut HeaderMap, request: &HandshakeRequest) {
        change(self.headers.as_ref(), headers, request);
    }
}

/// Runs a hook; one that panics must not take other requests of its connection with it.
async fn guarded<T>(name: &str, hook: impl FnOnce() -> BoxFuture<T>) -> Option<T> {
    let panicked = |_| tracing::error!(hook = name, "hook panicked: refusing its request");
    let mut running = catch_unwind(AssertUnwindSafe(hook)).map_err(panicked).ok()?;
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    })
    .await
    .map_err(panicked)
    .ok()
}

fn change(hook: Option<&HeaderHook>, headers: &mut HeaderMap, request: &HandshakeRequest) {
    if let Some(hook) = hook
        && catch_unwind(AssertUnwindSafe(|| hook(headers, request))).is_err()
    {
        tracing::error!("header hook panicked");
    }
}

impl Forbidden {
    /// A refusal whose message the client gets.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Some(message.into()))
    }
}

impl HandshakeRequest {
    /// The method, which is GET for a new session.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The target: path and query.
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }

    /// The value of a query parameter, the last one if there are several.
    pub fn query(&self, name: &str) -> Option<String> {
        last_of(self.0.uri.query().unwrap_or_default(), name)
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The value of a header, the first one if there are several; `None` also if it is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    /// The address of the peer: the proxy's if there is one. `None` if the HTTP server does not tell it by
    /// [`PeerAddress`].
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.extensions.get::<PeerAddress>().map(|address| address.0)
    }

    /// Whether it came over TLS that this process ended.
    pub fn is_secure(&self) -> bool {
        self.0.extensions.get::<Secure>().is_some()
    }

    /// What a layer in front has put into the request's extensions.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.extensions.get()
    }
}

impl fmt::Debug for HandshakeRequest {
    /// Without headers and query: there may be secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeRequest")
            .field("method", self.method())
            .field("path", &self.uri().path())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("allow_request", &self.allow_request.is_some())
            .field("generate_id", &self.generate_id.is_some())
            .field("client_address", &self.client_address.is_some())
            .field("initial_headers", &self.initial_headers.is_some())
            .field("headers", &self.headers.is_some())
            .finish()
    }
}
