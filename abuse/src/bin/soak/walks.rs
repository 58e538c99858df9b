//! What one client does, from its coming to its going.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use abuse::{End, Http, Peer, Polling, connect, connect_from, upgrade_request};
use anyhow::{Context, Result, bail, ensure};
use sockeye_websocket::{Message, Opcode, masked_close_frame, masked_frame};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

/// How long a client may stay away.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(2);

type Walk = fn(SocketAddr) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;

macro_rules! walks {
    ($($name:literal: $walk:ident)*) => {
        /// Every way, with its name.
        pub(crate) const WALKS: &[(&str, Walk)] = &[$(($name, |address| Box::pin($walk(address)))),*];
    };
}

walks! {
    "echoes and closes": close
    "is reset": reset
    "closes without a word": drop_it
    "polls and closes": poll
    "polls and vanishes": vanish
    "upgrades": upgrade
    "begins to upgrade": half_upgrade
    "broadcasts": broadcast
    "joins rooms": rooms
    "makes up namespaces": namespaces
    "comes back": come_back
    "stays away": stay_away
    "answers": answer
    "never answers": never_answer
    "goes while handlers wait": slow_handlers
    "sends garbage": garbage
    "makes a handler panic": panic
    "never reads": never_read
    "joins nothing": join_nothing
    "asks for half of it": half_request
    "is silent": silent
}

/// Between a client's coming and its going, for a moment.
async fn stay() {
    sleep(Duration::from_millis(rand::random_range(0..200))).await;
}

async fn echo(peer: &mut Peer) -> Result<()> {
    let number: u32 = rand::random();
    let answer = peer.ask(&format!(r#"["echo",{number}]"#)).await?;
    ensure!(answer == format!("[{number}]"), "{answer}");
    Ok(())
}

async fn say_goodbye(mut peer: Peer) -> Result<()> {
    peer.write(&masked_close_frame(1000, "", [0; 4])).await?;
    match peer.end().await? {
        End::Closed(_) => Ok(()),
        End::Lost => bail!("the close was not answered"),
    }
}

async fn close(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    for _ in 0..5 {
        echo(&mut peer).await?;
        stay().await;
    }
    say_goodbye(peer).await
}

async fn reset(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    peer.ask(r#"["join",["a","b","c"]]"#).await?;
    peer.reset();
    Ok(())
}

async fn drop_it(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    peer.send("41").await?;
    stay().await;
    Ok(())
}

async fn poll(address: SocketAddr) -> Result<()> {
    let mut polling = Polling::join(address).await?;
    for number in 0..3 {
        polling.post(&format!(r#"42{number}["echo",{number}]"#)).await?;
        polling.until(&format!("43{number}[{number}]")).await?;
        stay().await;
    }
    polling.post("1").await
}

async fn vanish(address: SocketAddr) -> Result<()> {
    let mut polling = Polling::join(address).await?;
    polling.http.begin("GET", &polling.target, "", b"").await?;
    stay().await;
    Ok(())
}

async fn begin_upgrade(address: SocketAddr) -> Result<(Polling, Peer)> {
    let polling = Polling::join(address).await?;
    let request = upgrade_request(&format!("&sid={}", polling.sid()), "");
    let mut peer = Peer::upgrade(connect(address).await?, &request).await?;
    peer.send("2probe").await?;
    let answer = peer.text().await?;
    ensure!(answer == "3probe", "{answer}");
    Ok((polling, peer))
}

async fn upgrade(address: SocketAddr) -> Result<()> {
    let (_, mut peer) = begin_upgrade(address).await?;
    peer.send("5").await?;
    echo(&mut peer).await?;
    stay().await;
    say_goodbye(peer).await
}

async fn half_upgrade(address: SocketAddr) -> Result<()> {
    let (mut polling, peer) = begin_upgrade(address).await?;
    peer.reset();
    polling.post(r#"421["echo",1]"#).await?;
    polling.until("431[1]").await?;
    polling.post("1").await
}

async fn broadcast(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    peer.ask(r#"["blast",2,2000]"#).await?;
    say_goodbye(peer).await
}

async fn rooms(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    for _ in 0..10 {
        let room: u8 = rand::random();
        peer.ask(&format!(r#"["join",["room {room}","own {}"]]"#, rand::random::<u64>())).await?;
        peer.send(&format!(r#"42["room","room {room}","hello"]"#)).await?;
        peer.send(&format!(r#"42["leave","room {room}"]"#)).await?;
    }
    echo(&mut peer).await?;
    peer.reset();
    Ok(())
}

async fn namespaces(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    for number in 0..10 {
        // Others may be in it; who enters twice breaks the protocol.
        let name = format!("/made-{number}-{}", rand::random::<u8>());
        peer.enter(&format!("{name},")).await?;
        peer.send(&format!(r#"42{name},["join",["a room"]]"#)).await?;
        if number % 2 == 0 {
            peer.send(&format!("41{name},")).await?;
        }
    }
    echo(&mut peer).await?;
    say_goodbye(peer).await
}

/// The value of a text field of a packet.
fn field(packet: &str, name: &str) -> Result<String> {
    let (_, rest) = packet.split_once(&format!(r#""{name}":""#)).with_context(|| format!("no {name} in {packet}"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

async fn come_back(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::open(address).await?;
    let joined = peer.enter("").await?;
    let (sid, pid) = (field(&joined, "sid")?, field(&joined, "pid")?);
    peer.ask(r#"["join",["kept"]]"#).await?;
    peer.reset();
    let start = Instant::now();
    stay().await;
    let mut peer = Peer::open(address).await?;
    // It has remembered no offset, so that everything since its coming is sent again.
    let joined = peer.enter(&format!(r#"{{"pid":"{pid}"}}"#)).await?;
    let away = start.elapsed();
    // On a machine that stood still for too long it is nobody's fault.
    ensure!(field(&joined, "sid")? == sid || away > KEPT_FOR, "not recovered after {away:?}: {joined}");
    echo(&mut peer).await?;
    say_goodbye(peer).await
}

async fn stay_away(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::open(address).await?;
    let joined = peer.enter("").await?;
    let (sid, pid) = (field(&joined, "sid")?, field(&joined, "pid")?);
    peer.reset();
    sleep(KEPT_FOR * 2).await;
    let mut peer = Peer::open(address).await?;
    let joined = peer.enter(&format!(r#"{{"pid":"{pid}"}}"#)).await?;
    ensure!(field(&joined, "sid")? != sid, "recovered too late");
    say_goodbye(peer).await
}

async fn answer(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    peer.send(r#"421["ask",3,20000]"#).await?;
    loop {
        let packet = peer.text().await?;
        if let Some((id, _)) = packet.split_once(r#"["question""#) {
            peer.send(&format!("43{}[true]", &id[2..])).await?;
        } else if let Some(outcome) = packet.strip_prefix("431") {
            ensure!(outcome.contains(r#""answered":3"#), "{outcome}");
            return say_goodbye(peer).await;
        }
    }
}

async fn never_answer(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    let outcome = peer.ask(r#"["ask",50,300]"#).await?;
    ensure!(outcome.contains(r#""late":50"#), "{outcome}");
    peer.reset();
    Ok(())
}

async fn slow_handlers(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    for number in 0..300 {
        peer.send(&format!(r#"42["slow",{number},100,"x"]"#)).await?;
    }
    stay().await;
    peer.reset();
    Ok(())
}

async fn garbage(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    let packets: [&[u8]; 5] = [b"9", b"42[", b"42[\"a\"", b"40", b"451-[\"echo\",{\"_placeholder\":true,\"num\":7}]"];
    let packet = packets[rand::random_range(0..packets.len())];
    peer.write(&masked_frame(Opcode::Text, packet, [0; 4])).await?;
    peer.write(&masked_frame(Opcode::Binary, b"bytes", [0; 4])).await?;
    peer.end().await?;
    Ok(())
}

async fn panic(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    peer.send(if rand::random() { r#"42["panic"]"# } else { r#"42["panic later"]"# }).await?;
    peer.end().await?;
    Ok(())
}

async fn never_read(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join_on(connect_from(address, 9, Some(2048)).await?).await?;
    // It asks for more than the kernel takes, and gets none of it.
    let event = format!(r#"421["echo","{}"]"#, "x".repeat(100_000));
    let frame = masked_frame(Opcode::Text, event.as_bytes(), [0; 4]);
    for _ in 0..50 {
        if peer.write(&frame).await.is_err() {
            break;
        }
    }
    sleep(Duration::from_millis(1500)).await;
    Ok(())
}

async fn join_nothing(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::open(address).await?;
    loop {
        match peer.next().await? {
            Some(Message::Text(text)) if text == "2" => peer.send("3").await?,
            Some(Message::Close(_)) | None => return Ok(()),
            Some(_) => {}
        }
    }
}

async fn half_request(address: SocketAddr) -> Result<()> {
    let mut stream = connect(address).await?;
    stream.write_all(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: ab").await?;
    stay().await;
    let mut http = Http::connect(address).await?;
    http.begin("POST", "/socket.io/?EIO=4&transport=polling", "Content-Length: 50\r\n", b"4").await?;
    stay().await;
    Ok(())
}

async fn silent(address: SocketAddr) -> Result<()> {
    let mut peer = Peer::join(address).await?;
    // No answer to any ping.
    peer.end().await?;
    Ok(())
}
