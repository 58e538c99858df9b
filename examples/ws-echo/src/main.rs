//! A WebSocket server that sends every message back: the codec of `sockeye-websocket` with hyper and tokio around it.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_VERSION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sockeye_websocket::deflate::{self, Deflate};
use sockeye_websocket::{Decoder, Input, Limits, Message, Opcode, Role, close_frame, frame, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

const MAX_MESSAGE: usize = 16 << 20;
/// Autobahn sends 4 MiB in frames of 64 bytes.
const MAX_FRAGMENTS: u32 = 128 << 10;
const READ_SIZE: usize = 64 << 10;
/// How long a peer may take to close its end after ours.
const LINGER: Duration = Duration::from_secs(2);

/// Echoes WebSocket messages of up to 16 MiB, on any path.
#[derive(Parser)]
struct Options {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 9001)]
    port: u16,
    /// Shortest message sent compressed, in bytes; 0 compresses all, as the cases about compression want it.
    #[arg(long, default_value_t = 0)]
    threshold: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Options { port, threshold } = Options::parse();
    let compression = deflate::Config::default().threshold(threshold);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("can't listen on {port}"))?;
    announce(&listener)?;
    let tasks = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        tasks.spawn(serve(stream, compression, tasks.clone()));
    }
}

#[expect(clippy::print_stdout, reason = "the line that says where the server is, for people and scripts")]
fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    println!("ws://{}", listener.local_addr()?);
    Ok(())
}

async fn serve(stream: TcpStream, compression: deflate::Config, tasks: TaskTracker) {
    // Answers are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let answer = upgrade(request, compression, &tasks);
        async { Ok::<_, Infallible>(answer) }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await {
        eprintln!("no HTTP: {error}");
    }
}

fn upgrade(mut request: Request<Incoming>, compression: deflate::Config, tasks: &TaskTracker) -> Response<Full<Bytes>> {
    let mut answer = match handshake::answer(request.headers()) {
        Ok(answer) => answer.map(|()| Full::default()),
        Err(error) => {
            let mut refusal = Response::new(Full::from(error.to_string()));
            *refusal.status_mut() = error.status();
            if error.status() == StatusCode::UPGRADE_REQUIRED {
                refusal.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            return refusal;
        }
    };
    let agreed = deflate::negotiate(request.headers(), compression);
    if let Some(agreed) = agreed {
        answer.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, agreed.answer());
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tasks.spawn(async move {
        let ended = match upgraded.await {
            Ok(upgraded) => echo(upgraded, agreed).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = ended {
            eprintln!("connection lost: {error}");
        }
    });
    answer
}

async fn echo(upgraded: hyper::upgrade::Upgraded, agreed: Option<Deflate>) -> anyhow::Result<()> {
    let mut stream = TokioIo::new(upgraded);
    let limits = Limits::default().max_message(MAX_MESSAGE).max_fragments(MAX_FRAGMENTS);
    let mut decoder = Decoder::new(Role::Server, limits).with_deflate(agreed);
    let mut scratch = vec![0; READ_SIZE];
    let mut out = Vec::new();
    let mut open = true;
    while open {
        let len = stream.read(&mut scratch).await?;
        if len == 0 {
            return Ok(());
        }
        let mut input = Input::new(&mut scratch[..len]);
        while open {
            match decoder.decode(&mut input) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    open = !matches!(message, Message::Close(_));
                    out.extend_from_slice(&answer(&message, agreed));
                }
                Err(error) => {
                    open = false;
                    out.extend_from_slice(&close_frame(error.close_code(), &error.to_string()));
                }
            }
        }
        // All that one read brought is answered by one write.
        stream.write_all(&out).await?;
        out = Vec::new();
    }
    stream.shutdown().await?;
    // Reads what is still under way: closing over unread bytes would reset the connection and lose our last frame.
    let drain = async { while stream.read(&mut scratch).await.is_ok_and(|len| len > 0) {} };
    let _ = timeout(LINGER, drain).await;
    Ok(())
}

fn answer(message: &Message<'_>, agreed: Option<Deflate>) -> Bytes {
    match (message, agreed) {
        (Message::Text(_) | Message::Binary(_), Some(deflate)) => deflate.frame(message.opcode(), message.payload()),
        (Message::Text(_) | Message::Binary(_), None) => frame(message.opcode(), message.payload()),
        (Message::Ping(payload), _) => frame(Opcode::Pong, payload),
        (Message::Pong(_), _) => Bytes::new(),
        (Message::Close(Some(close)), _) => close_frame(close.code, ""),
        (Message::Close(None), _) => frame(Opcode::Close, b""),
    }
}
