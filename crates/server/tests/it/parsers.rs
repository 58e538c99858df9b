//! Packets in other forms than the official text.

use bytes::Bytes;
use sockeye::parser::{Assembled, DecodeError, Decoder, EncodeError, Encoded, Message, Packet, Parser, Protocol};
use sockeye::{Arguments, ConnectError, Data, EmitError, Handshake, MessagePackParser, Recovery, Socket, State, Value};
use sockeye_protocol::Limits;

use crate::support::{Client, Host, Notes, builder, http, notes, until};

async fn host() -> Host {
    Host::plain(builder().parser(MessagePackParser)).await
}

fn message(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A packet as npm's package writes it: the fields, and the namespace behind them.
fn packet(fields: u8, rest: &str) -> Vec<u8> {
    let mut packet = vec![0x80 + fields];
    packet.extend_from_slice(&message(rest));
    packet.extend_from_slice(b"\xa3nsp\xa1/");
    packet
}

/// An event with this list as its data.
fn event(data: &str) -> Vec<u8> {
    packet(3, &format!("a474797065 02 a464617461 {data}"))
}

/// The answer to the event of id 7.
fn ack(data: &str) -> Vec<u8> {
    packet(4, &format!("a474797065 03 a464617461 {data} a26964 07"))
}

/// The text, as MessagePack writes it, that follows these bytes.
fn text_after<'a>(packet: &'a [u8], mark: &[u8]) -> &'a [u8] {
    let start = packet
        .windows(mark.len())
        .position(|window| window == mark)
        .unwrap_or_else(|| panic!("{}", packet.escape_ascii()))
        + mark.len();
    let text = &packet[start..];
    match text[0] {
        0xd9 => &text[..2 + usize::from(text[1])],
        short => &text[..=usize::from(short - 0xa0)],
    }
}

async fn send_event_7(client: &mut Client, data: &str) {
    client.send_binary(&packet(4, &format!("a474797065 02 a464617461 {data} a26964 07"))).await;
}

async fn join(host: &Host) -> Client {
    let mut client = host.open().await;
    // As JavaScript's client sends it, with what is undefined.
    client.send_binary(&packet(3, "a474797065 00 a464617461 d40000")).await;
    let answer = client.next_binary().await;
    assert!(answer.starts_with(b"\x83\xa4type\x00\xa4data\x81\xa3sid\xb4"), "{answer:?}");
    assert!(answer.ends_with(b"\xa3nsp\xa1/"), "{answer:?}");
    client
}

#[tokio::test]
async fn every_packet_goes_through_the_parser() {
    let host = host().await;
    host.io.on("echo", async |socket: Socket, arguments: Arguments| {
        socket.emit("back", &arguments)?;
        socket.namespace().emit("all", &arguments)?;
        Ok::<_, EmitError>(1)
    });
    let mut client = join(&host).await;
    let mut other = join(&host).await;
    send_event_7(&mut client, "94 a46563686f cb4000000000000000 c4020102 d7000000000000000000").await;
    let arguments = "02 c4020102 b8313937302d30312d30315430303a30303a30302e3030305a";
    client.expect_binary(&event(&format!("94 a46261636b {arguments}"))).await;
    let to_all = event(&format!("94 a3616c6c {arguments}"));
    client.expect_binary(&to_all).await;
    client.expect_binary(&ack("9101")).await;
    other.expect_binary(&to_all).await;

    host.io.sockets().iter().for_each(Socket::disconnect);
    client.expect_binary(&packet(2, "a474797065 01")).await;
    other.expect_binary(&packet(2, "a474797065 01")).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn values_nested_too_deep_end_the_connection() {
    let host = host().await;
    let mut client = join(&host).await;
    client.send_binary(&event(&format!("92 a16e {}c0", "91".repeat(127)))).await;
    client.expect_closed().await;
    assert_eq!(host.reached("nesting"), 1);
}

#[tokio::test]
async fn a_refusal_carries_its_data() {
    let host = host().await;
    host.io.middleware(async |handshake: Handshake| {
        let auth: Value = handshake.auth()?;
        Err::<(), sockeye::BoxError>(ConnectError::new("no").data(auth.get("n")).into())
    });
    let mut client = host.open().await;
    client.send_binary(&packet(3, "a474797065 00 a464617461 81 a16e 07")).await;
    client.expect_binary(&packet(3, "a474797065 04 a464617461 82 a76d657373616765 a26e6f a464617461 07")).await;
    // A name that the official text could not hold.
    client.send_binary(b"\x82\xa4type\x00\xa3nsp\xa3a,b").await;
    let refused = client.next_binary().await;
    assert!(refused.ends_with(b"\xb1Invalid namespace\xa3nsp\xa3a,b"), "{refused:?}");
}

#[tokio::test]
async fn a_clients_answer_is_read_into_any_type() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().parser(MessagePackParser).state(log)).await;
    host.io.on("ask", async |socket: Socket, State(log): State<Notes>| {
        let (number, bytes): (i64, Bytes) = socket.emit_with_ack("question", ()).await?;
        log.note(format!("{number} {bytes:?}"));
        Ok::<_, sockeye::AckError>(())
    });
    let mut client = join(&host).await;
    client.send_binary(&event("91 a361736b")).await;
    let question = client.next_binary().await;
    assert!(question.starts_with(&message("84 a474797065 02 a464617461 91 a87175657374696f6e a26964")), "{question:?}");
    let id = question[question.len() - 7];
    client.send_binary(&packet(4, &format!("a474797065 03 a464617461 92 d0ff c7010007 a26964 {id:02x}"))).await;
    seen.expect(r#"-1 b"\x07""#).await;
}

#[tokio::test]
async fn more_attachments_than_text_could_have_are_sent_and_taken() {
    let host = host().await;
    host.io.on("many", async |Data(many): Data<Vec<Bytes>>| many);
    let mut client = join(&host).await;
    let many = format!("dc0014 {}", "c40107".repeat(20));
    send_event_7(&mut client, &format!("92 a46d616e79 {many}")).await;
    client.expect_binary(&ack(&format!("91 {many}"))).await;
}

#[tokio::test]
async fn what_could_be_taken_for_other_bytes_is_not_sent() {
    let host = host().await;
    let mut client = join(&host).await;
    let lookalike = serde_json::json!({ "_placeholder": true, "num": 0 });
    host.io.emit("a", &lookalike).unwrap();
    client.expect_binary(&event("92 a161 82 ac5f706c616365686f6c646572 c3 a36e756d 00")).await;
    let refused = host.io.emit("a", (&lookalike, Bytes::from_static(b"x")));
    assert!(matches!(refused, Err(EmitError::Encode(EncodeError::AmbiguousPlaceholder))));
    client.expect_nothing().await;
}

#[tokio::test]
async fn what_is_no_packet_closes_the_connection() {
    let broken = [
        &b"\x83\xa4type\x05\xa4data\x91\xa1a\xa3nsp\xa1/"[..],
        b"\x83\xa4type\x02\xa4data\x80\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x91\xa7connect\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x91\xa1a\xa3nsp\x01",
        b"\xdf\xff\xff\xff\xff",
        b"\x91\x91",
        b"",
        b"text",
    ];
    for bytes in broken {
        let (log, mut seen) = notes();
        let host = Host::plain(builder().parser(MessagePackParser).state(log)).await;
        host.io.on_disconnect(async |State(log): State<Notes>, reason: sockeye::DisconnectReason| log.note(reason));
        let mut client = join(&host).await;
        if bytes == b"text" {
            client.send(r#"42["a"]"#).await;
        } else {
            client.send_binary(bytes).await;
        }
        client.expect_closed().await;
        assert_eq!(seen.next().await, "forced close", "{bytes:?}");
    }
}

#[tokio::test]
async fn old_clients_have_their_type_byte() {
    let host = host().await;
    host.io.on("echo", async |Data(value): Data<Value>| value);
    let mut client = Client::open(host.address, 3).await;
    client.expect_binary(&packet(2, "a474797065 00")).await;
    let event = packet(4, "a474797065 05 a464617461 92 a46563686f c40107 a26964 07");
    client.send_binary(&event).await;
    client.expect_binary(&ack("91 c40107")).await;
    host.io.of("/other");
    client.send(r#"4{"type":0,"nsp":"/other"}"#).await;
    client.expect_binary(b"\x82\xa4type\x00\xa3nsp\xa6/other").await;
    host.io.emit("all", 1).unwrap();
    client.expect_binary(&self::event("92 a3616c6c 01")).await;
}

#[tokio::test]
async fn polling_carries_packets_as_base64() {
    for host in Host::each(|| builder().parser(MessagePackParser)).await {
        let open = http(host.address, "GET /socket.io/?EIO=4&transport=polling", b"").await;
        let sid = open.text().split(r#""sid":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let post = format!("POST {target}\nContent-Type: text/plain;charset=UTF-8");
        assert_eq!(http(host.address, &post, b"bgqR0eXBlAKNuc3ChLw==").await.text(), "ok");
        let answer = http(host.address, &format!("GET {target}"), b"").await;
        assert!(answer.text().starts_with("bg6R0eXBlAKRkYXRhgaNzaWS0"), "{}", answer.text());
    }
}

/// One text for a packet's event, nothing for all others but a word.
struct Words;

impl Parser for Words {
    fn encode(&self, packet: &Packet<'_>, attachments: &[Bytes]) -> Result<Encoded, EncodeError> {
        if packet.payload.contains("unspeakable") {
            return Err(EncodeError::unsupported("there is no word for it"));
        }
        Ok(Encoded::text(format!("{:?} {}", packet.kind, packet.payload)).with_binaries(attachments.iter().cloned()))
    }

    fn decoder(&self, _: Protocol) -> Box<dyn Decoder> {
        Box::new(Self)
    }
}

impl Decoder for Words {
    fn decode(&mut self, message: Message<'_>, limits: &Limits) -> Result<Option<Assembled>, DecodeError> {
        let Message::Text(text) = message else { return Ok(None) };
        match &*text {
            "wait" => Ok(None),
            text => Assembled::new(&sockeye::parser::decode(text, limits)?, vec![]).map(Some),
        }
    }
}

#[tokio::test]
async fn an_own_parser_writes_text_and_bytes_behind_it() {
    let host = Host::plain(builder().parser(Words)).await;
    let mut client = host.open().await;
    client.send("4wait").await;
    client.send("40").await;
    assert!(client.text().await.starts_with(r#"4Connect {"sid":""#));
    let bytes = Bytes::from_static(b"x");
    host.io.emit("a", (1, &bytes)).unwrap();
    client.expect(r#"4BinaryEvent ["a",1,{"_placeholder":true,"num":0}]"#).await;
    client.expect_binary(b"x").await;
    host.io.sockets()[0].emit("a", (1, &bytes)).unwrap();
    client.expect(r#"4BinaryEvent ["a",1,{"_placeholder":true,"num":0}]"#).await;
    client.expect_binary(b"x").await;
    let refused = host.io.emit("unspeakable", ());
    assert!(matches!(refused, Err(EmitError::Encode(EncodeError::Unsupported { .. }))));
    client.expect_nothing().await;
    client.send("41").await;
    client.settle().await;
    assert_eq!(host.io.socket_count(), 0);
}

#[tokio::test]
async fn an_event_kept_for_recovery_has_its_offset_behind_the_arguments() {
    let host = Host::plain(builder().parser(MessagePackParser).recovery(Recovery::default())).await;
    let mut client = host.open().await;
    client.send_binary(&packet(2, "a474797065 00")).await;
    let answer = client.next_binary().await;
    let pid = text_after(&answer, b"\xa3pid");
    host.io.emit("a", Bytes::from_static(b"x")).unwrap();
    let event = client.next_binary().await;
    let offset = text_after(&event, b"\xa1a\xc4\x01x");
    client.abort();
    until("the loss to be noticed", || host.io.socket_count() == 0).await;
    host.io.emit("b", 1).unwrap();

    let mut client = host.open().await;
    let auth = [b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x82\xa3pid", pid, b"\xa6offset", offset].concat();
    client.send_binary(&auth).await;
    let missed = client.next_binary().await;
    assert!(missed.starts_with(b"\x83\xa4type\x02\xa4data\x93\xa1b\x01"), "{missed:?}");
    assert_eq!(text_after(&client.next_binary().await, b"\xa3pid"), pid);
    client.expect_nothing().await;
}
