//! The Socket.IO servers that official test suites expect: that of the protocol, and the JavaScript client's own.

mod client; // What the client's own suite expects.
mod client_binary; // Its events that carry bytes.
mod protocol; // What the suite of the protocol expects.

use clap::{Parser, ValueEnum};
use sockeye::Listener;

#[derive(Parser)]
struct Args {
    /// Whose suite it is: the protocol's, or that of socket.io-client.
    #[arg(long, value_enum, default_value_t = Suite::Protocol)]
    suite: Suite,
    /// Port on 127.0.0.1; 0 takes any free one. Default: the one that the suite calls, 3000 or 3210.
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    Protocol,
    Client,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let args = Args::parse();
    let (io, usual_port) = match args.suite {
        Suite::Protocol => (protocol::server()?, 3000),
        Suite::Client => (client::server()?, 3210),
    };
    let listener = Listener::bind(("127.0.0.1", args.port.unwrap_or(usual_port))).await?;
    announce(&format!("listening on http://{}", listener.local_addr()?));
    tokio::select! {
        ended = io.serve(listener) => ended?,
        _ = tokio::signal::ctrl_c() => io.close().await,
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(line: &str) {
    println!("{line}");
}
