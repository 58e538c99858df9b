//! The Engine.IO servers that official test suites expect: those of the protocol, and the JavaScript client's own.

mod client; // What the client's own suite expects.
mod posts; // What came with the latest POST of each session.
mod protocol; // What the suites of the protocol expect.

use std::num::NonZeroUsize;

use clap::{Parser, ValueEnum};
use http::{Response, StatusCode};
use sockeye_engine::{Body, Drain, Listener};

#[derive(Parser)]
struct Args {
    /// Whose suite it is: the protocol's, for both revisions, or that of engine.io-client.
    #[arg(long, value_enum, default_value_t = Suite::Protocol)]
    suite: Suite,
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
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
    let engine = match args.suite {
        Suite::Protocol => protocol::engine(),
        Suite::Client => client::engine(),
    }?;
    let listener = Listener::bind(("127.0.0.1", args.port)).await?;
    announce(&format!("listening on http://{}", listener.local_addr()?));

    tokio::select! {
        ended = engine.listen(listener, NonZeroUsize::MIN, async |_| not_found()) => ended?,
        _ = tokio::signal::ctrl_c() => engine.close(Drain::default()).await,
    }
    Ok(())
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(line: &str) {
    println!("{line}");
}
