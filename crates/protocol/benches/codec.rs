//! The path of an ordinary event through the codecs, in and out.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion writes the main function; a bench may stop")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use sockeye_protocol::{
    Limits,
    engine::{BodyKind, Message, Packet, PeerEncoding, Protocol, decode_payload, encode_payload},
    socket::{Assembler, RawArguments, decode, encode_ack, encode_event, split_event},
};

const CHAT: &str = r#"42["chat message","Good morning everybody, who is in for lunch?"]"#;
const MOVE: &str = r#"42/game,17["move",{"x":12.5,"y":-3.25,"player":"9f86d081884c7d65"},123456]"#;

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Place {
    x: f64,
    y: f64,
    player: String,
}

fn text(wire: &str) -> String {
    wire.get(1..).unwrap().to_owned()
}

fn receive(c: &mut Criterion) {
    let limits = Limits::default();
    let (chat, moved) = (text(CHAT), text(MOVE));
    c.bench_function("head", |b| b.iter(|| decode(black_box(&moved), &limits).unwrap()));
    c.bench_function("head and name", |b| {
        b.iter(|| split_event(decode(black_box(&moved), &limits).unwrap().payload).unwrap());
    });
    c.bench_function("engine, head, name and a string", |b| {
        b.iter(|| {
            let packet = Packet::decode_text(Protocol::V4, black_box(CHAT).into()).unwrap();
            let Packet::Message(Message::Text(text)) = packet else { unreachable!() };
            let event = split_event(decode(&text, &limits).unwrap().payload).unwrap();
            event.arguments.deserialize::<String>().unwrap()
        });
    });
    c.bench_function("head, name and a struct and a number", |b| {
        b.iter(|| {
            let event = split_event(decode(black_box(&moved), &limits).unwrap().payload).unwrap();
            event.arguments.deserialize::<(Place, u64)>().unwrap()
        });
    });
    c.bench_function("head, name and raw arguments", |b| {
        b.iter(|| split_event(decode(black_box(&chat), &limits).unwrap().payload).unwrap().arguments.to_raw().unwrap());
    });
    c.bench_function("an event with one attachment of 1 KiB", |b| {
        let text = r#"51-["save","cat.png",{"_placeholder":true,"num":0}]"#;
        let bytes = Bytes::from(vec![7; 1024]);
        let mut assembler = Assembler::default();
        b.iter(|| {
            assembler.text(black_box(text), &limits).unwrap();
            let whole = assembler.binary(bytes.clone()).unwrap().unwrap();
            whole.event().unwrap().arguments.deserialize::<(String, Bytes)>().unwrap()
        });
    });
}

fn emit(c: &mut Criterion) {
    let limits = Limits::default();
    let (mut out, mut attachments) = (Vec::new(), Vec::new());
    c.bench_function("emit a string", |b| {
        b.iter(|| {
            out.clear();
            let words = black_box("Good morning everybody, who is in for lunch?");
            encode_event(&mut out, "/", None, "chat message", words, &mut attachments, &limits).unwrap();
        });
    });
    c.bench_function("emit three arguments", |b| {
        b.iter(|| {
            out.clear();
            let arguments = black_box((12.5, "9f86d081884c7d65", 123_456));
            encode_event(&mut out, "/game", Some(17), "move", &arguments, &mut attachments, &limits).unwrap();
        });
    });
    let raw: RawArguments = split_event(&text(CHAT)[1..]).unwrap().arguments.to_raw().unwrap();
    c.bench_function("emit raw arguments", |b| {
        b.iter(|| {
            out.clear();
            encode_event(&mut out, "/", None, "chat message", black_box(&raw), &mut attachments, &limits).unwrap();
        });
    });
    c.bench_function("acknowledge", |b| {
        b.iter(|| {
            out.clear();
            encode_ack(&mut out, "/", 17, black_box("ok"), &mut attachments, &limits).unwrap();
        });
    });
}

fn payloads(c: &mut Criterion) {
    let packets = vec![Packet::text(text(CHAT)); 100];
    let mut group = c.benchmark_group("payload of 100 packets");
    for protocol in [Protocol::V3, Protocol::V4] {
        let body = encode_payload(protocol, PeerEncoding::BinaryCapable, packets.iter().cloned()).body;
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{protocol:?}"), |b| {
            b.iter(|| decode_payload(protocol, BodyKind::Text, black_box(&body)).map(Result::unwrap).count());
        });
    }
}

criterion_group!(benches, receive, emit, payloads);
criterion_main!(benches);
