//! TLS in front of plain listening.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::body::RequestBody;
use crate::engine::Engine;
use crate::handshake::Secure;
use crate::io::{Reader, Stream, Writer, split_stream};
use crate::listen::{Entrance, Listener};
use crate::metrics::Bounds;

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
        others: A,
    ) -> io::Result<()>
    where
        A: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
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
        self.listen_at(listener, threads, entrance, others).await
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

    async fn pass(&self, bounds: &Bounds) -> Self::Pass {
        if self.handshakes.available_permits() == 0 {
            bounds.tls_handshakes.add();
        }
        // Fails only on a closed semaphore, which this one never is.
        self.handshakes.clone().acquire_owned().await.ok()
    }

    async fn enter(&self, stream: TcpStream, pass: Self::Pass) -> io::Result<Self::Stream> {
        let stream = timeout(self.timeout, self.acceptor.accept(stream)).await??;
        drop(pass);
        Ok(Box::new(stream))
    }

    fn split(stream: Self::Stream) -> (Reader, Writer) {
        split_stream(stream)
    }

    fn mark(request: &mut Extensions) {
        request.insert(Secure);
    }
}

#[cfg(test)]
mod tests {
    use rustls::server::ResolvesServerCertUsingSni;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_bound_enter_when_a_handshake_has_ended() {
        let nobody = Arc::new(ResolvesServerCertUsingSni::new());
        let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(nobody);
        let handshakes = Arc::new(Semaphore::new(1));
        let entrance = Tls { acceptor: Arc::new(config).into(), timeout: Duration::from_millis(50), handshakes };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

        let (stream, _) = listener.accept().await.unwrap();
        let bounds = Bounds::default();
        let entering = entrance.enter(stream, entrance.pass(&bounds).await);
        let further = timeout(Duration::from_millis(10), entrance.pass(&bounds)).await;
        assert!(further.is_err() && bounds.tls_handshakes.get() == 1, "no further one may begin");
        assert_eq!(entering.await.map(|_| ()).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(entrance.pass(&bounds).await.is_some());
    }
}
