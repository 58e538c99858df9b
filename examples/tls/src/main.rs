//! An echo behind TLS: `https` and `wss` without a proxy.
//!
//! `cargo run -p tls` makes a certificate that no client trusts by itself; `--cert` and `--key` name real ones.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use sockeye::rustls::ServerConfig;
use sockeye::rustls::pki_types::pem::PemObject;
use sockeye::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sockeye::{Arguments, Handshake, Listener, Server};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 3443)]
    port: u16,
    /// The certificate and those that it was issued by, in PEM.
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (chain, key) = match args.cert.zip(args.key) {
        Some((cert, key)) => read(&cert, &key)?,
        None => self_signed()?,
    };
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;

    let io = Server::builder().build()?;
    io.on("echo", async |arguments: Arguments| arguments);
    io.on("is secure", async |handshake: Handshake| handshake.is_secure());

    let mut terminate = signal(SignalKind::terminate())?;
    let listener = Listener::bind(("127.0.0.1", args.port)).await?;
    announce(&format!("listening on https://{}", listener.local_addr()?));
    tokio::select! {
        served = io.serve_tls(listener, config) => served?,
        _ = terminate.recv() => io.close().await,
    }
    Ok(())
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(cert: &Path, key: &Path) -> anyhow::Result<Identity> {
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let chain = chain.with_context(|| format!("can't read certificates from {}", cert.display()))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("can't read a key from {}", key.display()))?;
    Ok((chain, key))
}

fn self_signed() -> anyhow::Result<Identity> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    Ok((vec![made.cert.into()], key))
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(line: &str) {
    println!("{line}");
}
