//! The server that the official Socket.IO protocol suite expects.

use std::time::Duration;

use clap::Parser;
use sockeye::{Arguments, Handshake, Listener, Namespace, Server, Socket};

#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let io = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_secs(1))
        .build()?;
    serve(&io);
    serve(&io.of("/custom"));

    let listener = Listener::bind(("127.0.0.1", Args::parse().port)).await?;
    announce(&format!("listening on http://{}", listener.local_addr()?));
    tokio::select! {
        ended = io.serve(listener) => ended?,
        _ = tokio::signal::ctrl_c() => io.close().await,
    }
    Ok(())
}

fn serve(namespace: &Namespace) {
    namespace.on_connect(async |socket: Socket, handshake: Handshake| {
        let auth: serde_json::Value = handshake.auth()?;
        socket.emit("auth", auth)?;
        Ok::<_, sockeye::BoxError>(())
    });
    namespace.on("message", async |socket: Socket, arguments: Arguments| socket.emit("message-back", &arguments));
    namespace.on("message-with-ack", async |arguments: Arguments| arguments);
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(line: &str) {
    println!("{line}");
}
