//! TLS in front of plain listening.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::engine::Engine;
use crate::handshake::Secure;
use crate::io::Stream;
use crate::listen::{Entrance, Listener};

/// How many handshakes may be under way at once. Further connections wait unaccepted, in the kernel.
const MAX_HANDSHAKES: usize = 1024;

impl Engine {
    /// [Listens](Self::listen) with TLS: connections must be `https` and `wss`.
    ///
    /// HTTP/1.1 is spoken, whatever application protocols `config` names. A handshake has to be over within
    /// [`tls_handshake_timeout`](crate::EngineConfig::tls_handshake_timeout), and at most 1,024 are under way at once.
    ///
    /// # Errors
    /// What the system says, if a thread or an event loop can't be started.
    pub async fn listen_tls<A, F, B>(
        &self,
        listener: Listener,
        threads: NonZeroUsize,
        config: impl Into<Arc<ServerConfig>>,
        answer: A,
    ) -> io::Result<()>
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let mut config = Arc::unwrap_or_clone(config.into());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let entrance = Tls {
            acceptor: Arc::new(config).into(),
            timeout: self.config().tls_handshake_timeout,
            handshakes: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
        };
        self.listen_at(listener, threads, entrance, answer).await
    }
}

/// A connection has to complete its handshake.
#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    timeout: Duration,
    handshakes: Arc<Semaphore>,
}

impl Entrance for Tls {
    // Boxed here, so that a WebSocket can take it over as it is.
    type Stream = Box<dyn Stream>;
    type Pass = Option<OwnedSemaphorePermit>;

    async fn pass(&self) -> Self::Pass {
        // Fails only on a closed semaphore, which this one never is.
        self.handshakes.clone().acquire_owned().await.ok()
    }

    async fn enter(&self, stream: TcpStream, pass: Self::Pass) -> io::Result<Self::Stream> {
        let stream = timeout(self.timeout, self.acceptor.accept(stream)).await??;
        drop(pass);
        Ok(Box::new(stream))
    }

    fn mark(request: &mut Extensions) {
        request.insert(Secure);
    }
}
