//! The way in: a tower layer and service for any HTTP server.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use sockeye_client_dist::{MISSING_HINT, bundle};
use sockeye_engine::Body as EngineBody;

use crate::handler::BoxError;
use crate::peer;
use crate::server::Server;

/// Answers Socket.IO's requests and lets all others pass to the service behind it.
#[derive(Clone, Debug)]
pub struct Layer(Server);

impl Layer {
    pub(crate) fn new(server: Server) -> Self {
        Self(server)
    }
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Service<S>;

    fn layer(&self, inner: S) -> Service<S> {
        Service::new(self.0.clone(), inner)
    }
}

/// Answers Socket.IO's requests; `S` answers all others.
#[derive(Clone, Debug)]
pub struct Service<S> {
    server: Server,
    inner: S,
}

type ResponseFuture<B, E> = Pin<Box<dyn Future<Output = Result<Response<Body<B>>, E>> + Send>>;

impl<S> Service<S> {
    pub(crate) fn new(server: Server, inner: S) -> Self {
        Self { server, inner }
    }

    /// The name of the bundle that a request asks for.
    fn bundle_name<'r, B>(&self, request: &'r Request<B>) -> Option<&'r str> {
        let settings = &self.server.inner().settings;
        let name = request.uri().path().strip_prefix(&settings.path)?.strip_prefix('/')?;
        let asks = match *request.method() {
            Method::GET | Method::HEAD => true,
            Method::OPTIONS => self.server.inner().engine().cors().is_some(),
            _ => false,
        };
        (asks && settings.serve_client && name.starts_with("socket.io.")).then_some(name)
    }

    /// Answers with one of the browser bundles.
    fn serve<B>(&self, name: &str, request: &Request<B>) -> Response<EngineBody> {
        let cors = self.server.inner().engine().cors();
        if let Some(cors) = cors.filter(|_| request.method() == Method::OPTIONS) {
            return cors.answer_preflight(request.headers());
        }
        let mut response = serve(name, request.headers(), request.method());
        if let Some(cors) = cors {
            cors.permit(request.headers(), response.headers_mut());
        }
        response
    }
}

impl<S> Service<S> {
    /// Answers one request, once the service behind is ready for it.
    pub(crate) async fn answer<B, R>(mut self, request: Request<B>) -> Response<Body<R>>
    where
        Self: tower_service::Service<Request<B>, Response = Response<Body<R>>, Error = Infallible>,
    {
        use tower_service::Service as _;

        let ready = std::future::poll_fn(|cx| self.poll_ready(cx)).await;
        let answered = match ready {
            Ok(()) => self.call(request).await,
            Err(never) => match never {},
        };
        answered.unwrap_or_else(|never| match never {})
    }
}

impl<S, B, R> tower_service::Service<Request<B>> for Service<S>
where
    S: tower_service::Service<Request<B>, Response = Response<R>, Future: Send + 'static>,
    B: http_body::Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
    R: 'static,
{
    type Response = Response<Body<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let engine = self.server.inner().engine();
        if engine.owns(request.uri().path()) {
            peer::note_address(request.extensions_mut());
            let engine = engine.clone();
            return Box::pin(async move { Ok(engine.handle(request).await.map(Body::own)) });
        }
        if let Some(name) = self.bundle_name(&request) {
            let response = self.serve(name, &request);
            return Box::pin(async move { Ok(response.map(Body::own)) });
        }
        let inner = self.inner.call(request);
        Box::pin(async move { Ok(inner.await?.map(Body::inner)) })
    }
}

/// Answers everything with 404.
#[derive(Clone, Copy, Debug)]
pub struct NotFound;

impl<B> tower_service::Service<Request<B>> for NotFound {
    type Response = Response<EngineBody>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Ok(not_found("not found\n")))
    }
}

fn not_found(text: &'static str) -> Response<EngineBody> {
    let mut response = Response::new(EngineBody::from(text));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Answers with one of the browser bundles.
fn serve(name: &str, headers: &HeaderMap, method: &Method) -> Response<EngineBody> {
    let Some(bundle) = bundle(name) else { return not_found(MISSING_HINT) };
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let answer = bundle.respond(text(header::ACCEPT_ENCODING), text(header::IF_NONE_MATCH));
    let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from(answer.body.into_owned()) };
    let mut response = Response::new(EngineBody::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The body of an answer: Socket.IO's own, or that of the service behind it.
#[derive(Debug)]
pub struct Body<B>(Kind<B>);

#[derive(Debug)]
enum Kind<B> {
    Own(EngineBody),
    Inner(B),
}

impl<B> Body<B> {
    fn own(body: EngineBody) -> Self {
        Self(Kind::Own(body))
    }

    fn inner(body: B) -> Self {
        Self(Kind::Inner(body))
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.0 {
            Kind::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Inner(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Own(body) => body.is_end_stream(),
            Kind::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Own(body) => body.size_hint(),
            Kind::Inner(body) => body.size_hint(),
        }
    }
}
