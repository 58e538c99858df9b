//! The shortest way in: Sockeye listens by itself, with an event loop for each core. The fastest, too.
//!
//! `cargo run -p listen`, then `io("http://localhost:3000")` in a page or in Node.

use clap::Parser;
use sockeye::{Data, Server, Socket};

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "whoever starts the example reads the address there")]
async fn main() -> anyhow::Result<()> {
    let address = ("127.0.0.1", Args::parse().port);
    let io = Server::builder().build()?;
    io.on("shout", async |socket: Socket, Data(text): Data<String>| socket.broadcast().emit("shout", text));
    io.on("add", async |Data((a, b)): Data<(i64, i64)>| a.saturating_add(b));

    println!("http://{}:{}", address.0, address.1);
    tokio::select! {
        ended = io.listen(address) => ended?,
        _ = tokio::signal::ctrl_c() => io.close().await,
    }
    Ok(())
}
