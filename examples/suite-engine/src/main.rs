//! The server that the official Engine.IO protocol suites expect: it sends back every message.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use sockeye_engine::{
    Acceptor, Body, Closed, Connection, Drain, Engine, EngineConfig, Guarantee, Listener, Message, Receiver,
};

#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

struct Echo(Connection);

impl Receiver for Echo {
    fn receive(&mut self, message: Message<'_>) {
        match message {
            Message::Text(text) => self.0.send_text(text.as_bytes(), &[], Guarantee::Reliable),
            Message::Binary(bytes) => self.0.send_binary(&bytes, Guarantee::Reliable),
        }
    }

    fn closed(&mut self, _: Closed) {}
}

struct Echoes;

impl Acceptor for Echoes {
    fn accept(&self, connection: Connection) -> Box<dyn Receiver> {
        Box::new(Echo(connection))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let config = EngineConfig::default()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .max_payload(1_000_000);
    let engine = Engine::new(config, Arc::new(Echoes))?;
    let listener = Listener::bind(("127.0.0.1", Args::parse().port)).await?;
    announce(&format!("listening on http://{}", listener.local_addr()?));

    let answering = engine.clone();
    let answer = move |request| {
        let engine = answering.clone();
        async move { answer(&engine, request).await }
    };
    tokio::select! {
        ended = engine.listen(listener, NonZeroUsize::MIN, answer) => ended?,
        _ = tokio::signal::ctrl_c() => engine.close(Drain::default()).await,
    }
    Ok(())
}

async fn answer(engine: &Engine, request: Request<Incoming>) -> Response<Body> {
    if engine.owns(request.uri().path()) {
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
