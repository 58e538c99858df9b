//! Where an example listens, and how it ends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use axum::Router;
use sockeye::Server;
use tokio::net::TcpListener;

/// The address to listen on, as arguments of the program.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Place {
    /// Address to listen on; 0.0.0.0 is reached from other devices too.
    #[arg(long, default_value = "0.0.0.0")]
    host: IpAddr,
    /// Port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
}

/// Serves `app`, which has the layer of `io`, until the process is asked to stop.
///
/// # Errors
///
/// The address is not to be had, or serving failed.
pub async fn serve(io: &Server, app: Router, place: Place) -> anyhow::Result<()> {
    let signalled = stop_signal()?;
    let listener = TcpListener::bind((place.host, place.port)).await?;
    announce(listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        () = signalled => {}
    }
    // Every client is told, and gets what waits for it. Requests that are never finished end with the process.
    io.close().await;
    Ok(())
}

/// Prints where the page is to be found: here, and from other devices on the same network.
#[allow(clippy::print_stdout, reason = "whoever starts the example reads the addresses there")]
fn announce(address: SocketAddr) {
    if !address.ip().is_unspecified() {
        return println!("http://{address}");
    }
    println!("http://localhost:{}", address.port());
    if let Some(host) = outgoing_address() {
        println!("http://{} from other devices on this network", SocketAddr::new(host, address.port()));
    }
}

/// This machine's address on its network, if it has one. Connecting a UDP socket sends nothing: it only picks a route.
fn outgoing_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Ends when the process is asked to stop, from this call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
