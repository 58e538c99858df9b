//! Listening with TLS.

use std::io;
use std::sync::Arc;

use sockeye_engine::Listener;
use sockeye_engine::rustls::ServerConfig;
use tokio::net::ToSocketAddrs;

use crate::server::Server;

impl Server {
    /// [Listens](Self::listen) with TLS: clients connect to `https://` or `wss://`. With the feature `tls` only.
    ///
    /// HTTP/1.1 is spoken, whatever application protocols `config` names. A handshake has to be over within
    /// [`tls_handshake_timeout`](crate::ServerBuilder::tls_handshake_timeout), and at most 1,024 are under way at once.
    ///
    /// ```no_run
    /// use sockeye::rustls::ServerConfig;
    /// use sockeye::rustls::pki_types::pem::PemObject;
    /// use sockeye::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let io = sockeye::Server::builder().build()?;
    /// let chain = CertificateDer::pem_file_iter("fullchain.pem")?.collect::<Result<_, _>>()?;
    /// let key = PrivateKeyDer::from_pem_file("privkey.pem")?;
    /// let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    /// io.listen_tls("0.0.0.0:443", config).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the system says, if the address can't be bound or no thread can be started.
    pub async fn listen_tls(
        &self,
        address: impl ToSocketAddrs,
        config: impl Into<Arc<ServerConfig>>,
    ) -> io::Result<()> {
        self.serve_tls(Listener::bind(address).await?, config).await
    }

    /// Serves with TLS on an address that has been bound. See [`listen_tls`](Self::listen_tls).
    ///
    /// # Errors
    /// What the system says, if no thread can be started.
    pub async fn serve_tls(&self, listener: Listener, config: impl Into<Arc<ServerConfig>>) -> io::Result<()> {
        let service = self.service();
        let answer = move |request| service.clone().answer(request);
        let inner = self.inner();
        inner.engine().listen_tls(listener, inner.settings.threads, config, answer).await
    }
}
