use std::net::SocketAddr;

use sockeye::{EmitError, PerMessageDeflate, Server, Socket};
use sockeye_websocket::{Opcode, masked_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Host, builder, within};

/// A client that compresses, as far as it sees whether what it gets is.
struct Compressing(TcpStream);

impl Compressing {
    async fn open(address: SocketAddr) -> Self {
        let mut stream = within("a TCP connection", TcpStream::connect(address)).await.unwrap();
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("the answer to the upgrade", stream.read_u8()).await.unwrap());
        }
        Self(stream)
    }

    async fn send(&mut self, packet: &str) {
        self.0.write_all(&masked_frame(Opcode::Text, packet.as_bytes(), [1, 2, 3, 4])).await.unwrap();
    }

    /// Whether the next frame, which is a text, is compressed.
    async fn next_is_compressed(&mut self) -> bool {
        let mut header = [0; 2];
        within("a frame", self.0.read_exact(&mut header)).await.unwrap();
        let length = match header[1] {
            126 => self.0.read_u16().await.unwrap(),
            length => length.into(),
        };
        let mut payload = vec![0; length.into()];
        within("its payload", self.0.read_exact(&mut payload)).await.unwrap();
        assert_eq!(header[0] & 0x0f, 1, "a text");
        header[0] & 0x40 != 0
    }
}

#[tokio::test]
async fn an_event_is_compressed_unless_it_is_excepted() {
    let host = Host::plain(builder().per_message_deflate(PerMessageDeflate::default())).await;
    host.io.on("go", async |socket: Socket| {
        let (io, text) = (socket.server().unwrap(), "the same again, ".repeat(100));
        socket.emit("e", &text)?;
        socket.compress(false).emit("e", &text)?;
        socket.volatile().compress(true).emit("e", &text)?;
        io.emit("e", &text)?;
        io.compress(false).emit("e", &text)?;
        io.to(socket.id()).compress(false).emit("e", &text)?;
        drop(socket.compress(false).emit_with_ack::<()>("e", &text));
        drop(io.compress(true).emit_with_ack::<()>("e", &text));
        socket.emit("short", ())?;
        Ok::<_, EmitError>(())
    });
    let mut client = Compressing::open(host.address).await;
    client.send("40").await;
    // The open packet and the answer.
    assert!(!client.next_is_compressed().await && !client.next_is_compressed().await);
    client.send(r#"42["go"]"#).await;
    // The volatile one comes behind others in the same turn, so it is dropped.
    for compressed in [true, false, true, false, false, false, true, false] {
        assert_eq!(client.next_is_compressed().await, compressed);
    }
}

#[test]
fn a_level_that_is_none_is_named() {
    let error = Server::builder().per_message_deflate(PerMessageDeflate::default().level(0)).build().unwrap_err();
    assert_eq!(error.to_string(), "`per_message_deflate` has the level 0: expected 1 (fast) to 9 (small)");
}
