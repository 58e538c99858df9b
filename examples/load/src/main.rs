//! The server that load programs measure: four events, default settings, no log.

use std::num::NonZeroUsize;

use clap::Parser;
use sockeye::{Ack, Arguments, BoxError, Data, Listener, Server, Socket};

#[derive(Parser)]
struct Args {
    /// Port on 127.0.0.1; 0 takes any free one.
    port: u16,
    /// Event loops, of one thread each.
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let io = Server::builder().threads(args.threads).build()?;
    io.on("echo", async |arguments: Arguments| arguments);
    io.on("broadcast", async |socket: Socket, arguments: Arguments| socket.namespace().emit("broadcast", &arguments));
    io.on("join", async |socket: Socket, Data(room): Data<String>, ack: Ack| {
        socket.join(room)?;
        ack.send(())?;
        Ok::<_, BoxError>(())
    });
    io.on("room", async |socket: Socket, Data((room, data)): Data<(String, String)>| {
        socket.namespace().to(room).emit("room", data)
    });

    let listener = Listener::bind(("127.0.0.1", args.port)).await?;
    announce(&format!("listening on http://{}", listener.local_addr()?));
    io.serve(listener).await?;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "whoever starts this program waits for this line")]
fn announce(line: &str) {
    println!("{line}");
}
