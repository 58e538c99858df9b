//! The Engine.IO servers that official test suites expect: those of the protocol, and the JavaScript client's own.

mod client; // What the client's own suite expects.
mod posts; // What came with the latest POST of each session.
mod protocol; // What the suites of the protocol expect.

use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use http::{Request, Response, StatusCode};
use sockeye_engine::{Body, Drain, Engine, Listener, RequestBody};

use crate::posts::Posts;

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
    let posts = Arc::new(Posts::default());
    let engine = match args.suite {
        Suite::Protocol => protocol::engine(),
        Suite::Client => client::engine(&posts),
    }?;
    let listener = Listener::bind(("127.0.0.1", args.port)).await?;
    announce(&format!("listening on http://{}", listener.local_addr()?));

    let answering = engine.clone();
    let answer = move |request| {
        let (engine, posts) = (answering.clone(), posts.clone());
        async move { answer(&engine, &posts, request).await }
    };
    tokio::select! {
        ended = engine.listen(listener, NonZeroUsize::MIN, answer) => ended?,
        _ = tokio::signal::ctrl_c() => engine.close(Drain::default()).await,
    }
    Ok(())
}

async fn answer(engine: &Engine, posts: &Posts, request: Request<RequestBody>) -> Response<Body> {
    if engine.owns(request.uri().path()) {
        posts.note(&request);
        return engine.handle(request).await;
    }
    let mut response = Response::new(Body::from("not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(line: &str) {
    println!("{line}");
}
