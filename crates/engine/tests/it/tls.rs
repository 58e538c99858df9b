//! The engine's own listener with TLS: polling, WebSocket, upgrade, and peers that stop in the middle.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use sockeye_engine::{CloseCause, CloseReason, Closed, Drain, EngineConfig, Guarantee, PerMessageDeflate, Transport};
use sockeye_websocket::{Decoder, Input, Limits, Message, Opcode, Role, masked_close_frame, masked_frame};

use crate::support::{Server, connect, eventually, ms, now, settle};

const KEY: [u8; 4] = [1, 2, 3, 4];

/// A certificate of its own for `localhost`: what the server needs, and what makes clients trust it.
fn identity() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth();
    let mut server = config.with_single_cert(vec![cert.der().clone()], key.into()).unwrap();
    // The engine speaks HTTP/1.1, whatever stands here.
    server.alpn_protocols = vec![b"h2".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (Arc::new(server), Arc::new(client))
}

fn start(config: EngineConfig) -> (Server, Arc<ClientConfig>) {
    let (server, client) = identity();
    (Server::start_tls(config, server), client)
}

/// A client behind TLS.
struct Peer {
    stream: StreamOwned<ClientConnection, TcpStream>,
    decoder: Decoder,
    messages: VecDeque<Message<'static>>,
}

impl Peer {
    fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let session = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
        let decoder = Decoder::new(Role::Client, Limits::default().max_message(16 << 20));
        Self { stream: StreamOwned::new(session, connect(address)), decoder, messages: VecDeque::new() }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Sends a request and reads its answer: head and body.
    fn ask(&mut self, method: &str, target: &str, headers: &str, body: &str) -> (String, String) {
        let length = body.len();
        self.write(
            format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
                .as_bytes(),
        );
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    fn upgrade(&mut self, target: &str) {
        let (head, _) = self.ask(
            "GET",
            target,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "",
        );
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    fn send(&mut self, packet: &str) {
        self.write(&masked_frame(Opcode::Text, packet.as_bytes(), KEY));
    }

    #[track_caller]
    fn next(&mut self) -> Message<'static> {
        let mut buffer = vec![0; 16 * 1024];
        while self.messages.is_empty() {
            let count = self.stream.read(&mut buffer).unwrap();
            assert!(count > 0, "expected a message, found the end");
            let mut input = Input::new(&mut buffer[..count]);
            while let Some(message) = self.decoder.decode(&mut input).unwrap() {
                self.messages.push_back(message.into_owned());
            }
        }
        self.messages.pop_front().unwrap()
    }

    #[track_caller]
    fn expect(&mut self, packet: &str) {
        match self.next() {
            Message::Text(text) => assert_eq!(text, packet),
            other => panic!("expected text, found {other:?}"),
        }
    }

    fn open_websocket(server: &Server, config: &Arc<ClientConfig>) -> Self {
        let mut peer = Self::connect(server.address, config);
        peer.upgrade("/engine.io/?EIO=4&transport=websocket");
        assert!(matches!(peer.next(), Message::Text(open) if open.starts_with("0{")));
        peer
    }
}

#[test]
fn a_session_is_polled_and_upgraded_over_tls() {
    let (server, config) = start(EngineConfig::default());
    let mut polling = Peer::connect(server.address, &config);
    let (_, open) = polling.ask("GET", "/engine.io/?EIO=4&transport=polling", "", "");
    let connection = server.opened();
    assert!(connection.handshake().is_secure());
    assert_eq!(connection.handshake().address(), Some(polling.stream.sock.local_addr().unwrap()));
    assert_eq!(polling.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(open.contains(connection.id().as_str()));

    let target = format!("/engine.io/?EIO=4&transport=polling&sid={}", connection.id().as_str());
    assert_eq!(polling.ask("POST", &target, "", "4hello").1, "ok");
    assert_eq!(polling.ask("GET", &target, "", "").1, "4hello");

    let mut socket = Peer::connect(server.address, &config);
    socket.upgrade(&target.replace("polling", "websocket"));
    socket.send("2probe");
    socket.expect("3probe");
    socket.send("5");
    eventually("the upgrade", || connection.transport() == Transport::WebSocket);
    socket.send("4hello");
    socket.expect("4hello");
    server.end();
}

#[test]
fn a_websocket_over_tls_carries_much_both_ways_at_once() {
    let (server, config) = start(EngineConfig::default().per_message_deflate(PerMessageDeflate::default()));
    let mut peer = Peer::open_websocket(&server, &config);
    let connection = server.opened();
    assert!(connection.handshake().is_secure() && connection.handshake().address().is_some());
    let text = "x".repeat(900_000);
    for _ in 0..5 {
        connection.send_text(text.as_bytes(), &[], Guarantee::Reliable);
        peer.send(&format!("4{text}"));
    }
    for _ in 0..10 {
        assert_eq!(peer.next().payload().len(), text.len() + 1);
    }
    peer.send("4still in order");
    peer.expect("4still in order");
    server.end();
}

#[test]
fn a_client_that_leaves_is_gone_with_or_without_taking_leave() {
    let (server, config) = start(EngineConfig::default());
    let mut peer = Peer::open_websocket(&server, &config);
    let connection = server.opened();
    peer.write(&masked_close_frame(1000, "", KEY));
    assert!(matches!(peer.next(), Message::Close(_)));
    assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0, "TLS has been ended as it should");
    let by_peer = Closed { reason: CloseReason::TransportClose, cause: CloseCause::Peer };
    assert_eq!(server.closed(connection.id()), by_peer);

    let peer = Peer::open_websocket(&server, &config);
    let connection = server.opened();
    peer.stream.sock.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(server.closed(connection.id()), by_peer);
    server.end();
}

#[test]
fn handshakes_that_never_end_are_ended_and_keep_nobody_waiting() {
    let (server, config) = start(EngineConfig::default().tls_handshake_timeout(ms(300)));
    let start = now();
    let mut silent = connect(server.address);
    let mut half = connect(server.address);
    half.write_all(b"\x16\x03\x01\x02\x00\x01\x00").unwrap();
    let mut plain = connect(server.address);
    plain.write_all(b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();

    let mut peer = Peer::open_websocket(&server, &config);
    peer.send("4served meanwhile");
    peer.expect("4served meanwhile");

    for stream in [&mut silent, &mut half, &mut plain] {
        // An alert may come first.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 10, "{rest:?}");
    }
    assert!(now() - start >= ms(300), "the silent ones had their time");
    server.check_reached("tls_handshake_timeout", 2);
    peer.send("4and afterwards");
    peer.expect("4and afterwards");
    server.end();
}

#[test]
fn closing_says_goodbye_over_tls_and_ends_handshakes() {
    let (server, config) = start(EngineConfig::default());
    let mut peer = Peer::open_websocket(&server, &config);
    let connection = server.opened();
    let mut silent = connect(server.address);
    settle();
    connection.send_text(b"last words", &[], Guarantee::Reliable);
    server.close(Drain { spread: ms(0), grace: ms(500) });
    peer.expect("4last words");
    assert!(matches!(peer.next(), Message::Close(_)));
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    server.end();
}
