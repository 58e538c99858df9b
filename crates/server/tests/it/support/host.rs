use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sockeye::{Drain, Listener, Server, ServerBuilder};
use tokio::runtime::Builder as Runtime;
use tokio::sync::oneshot;

use super::Client;

/// A server to talk to, on a thread of its own; it is closed when this is dropped.
pub struct Host {
    pub io: Server,
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

/// The settings of a server that runs one event loop.
pub fn builder() -> ServerBuilder {
    Server::builder().threads(NonZeroUsize::MIN)
}

const AT_ONCE: Drain = Drain { spread: Duration::ZERO, grace: Duration::ZERO };

impl Host {
    /// Serves on a listener of its own.
    pub async fn plain(settings: ServerBuilder) -> Self {
        let io = settings.build().unwrap();
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = io.clone();
        Self::start(io, address, Runtime::new_current_thread(), async move { served.serve(listener).await.unwrap() })
    }

    /// Serves as a layer of an axum application, on a runtime that is not the server's.
    pub async fn axum(settings: ServerBuilder) -> Self {
        Self::beside_a_page(settings, Runtime::new_current_thread()).await
    }

    /// As [`axum`](Self::axum), on several threads that steal work from each other.
    pub async fn stealing(settings: ServerBuilder) -> Self {
        let mut runtime = Runtime::new_multi_thread();
        runtime.worker_threads(4);
        Self::beside_a_page(settings, runtime).await
    }

    async fn beside_a_page(settings: ServerBuilder, runtime: Runtime) -> Self {
        let io = settings.build().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().into_std().unwrap();
        let address = listener.local_addr().unwrap();
        let page = axum::routing::get(async || "the page");
        let app = axum::Router::new().route("/", page).layer(io.layer());
        Self::start(io, address, runtime, async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        })
    }

    /// Both, for what must not depend on the way in.
    pub async fn each(settings: impl Fn() -> ServerBuilder) -> [Self; 2] {
        [Self::plain(settings()).await, Self::axum(settings()).await]
    }

    fn start(
        io: Server,
        address: SocketAddr,
        mut runtime: Runtime,
        serve: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let closed = io.clone();
        let serving = thread::spawn(move || {
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(async move {
                let stop = async {
                    let _ = stopped.await;
                    closed.close_with(AT_ONCE).await;
                };
                let serve = async {
                    serve.await;
                    std::future::pending::<()>().await;
                };
                // Polled on after `serve` has ended, since the server may be closed by the test.
                tokio::select! { () = stop => {}, () = serve => {} }
            });
        });
        Self { io, address, stop: Some(stop), serving: Some(serving) }
    }

    /// How often a bound was reached, by the name of its setting.
    pub fn reached(&self, setting: &str) -> u64 {
        self.io.metrics().bounds.of(setting)
    }

    /// A client with an open session that has joined no namespace.
    pub async fn open(&self) -> Client {
        Client::open(self.address, 4).await
    }

    /// A client in the main namespace.
    pub async fn join(&self) -> Client {
        let mut client = self.open().await;
        client.join("/").await;
        client
    }

    /// A client of Socket.IO 2, which is in the main namespace without asking.
    pub async fn join_old(&self) -> Client {
        let mut client = Client::open(self.address, 3).await;
        client.expect("40").await;
        client
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take()
            && !thread::panicking()
        {
            serving.join().unwrap();
        }
    }
}
