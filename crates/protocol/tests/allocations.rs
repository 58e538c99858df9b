//! Holds the codecs to design law 2: the path of an ordinary event takes no memory but what its values need.
//!
//! A binary of its own, for it counts every allocation of the process.

#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

use std::{alloc::System, hint::black_box};

use sockeye_protocol::{
    Limits,
    engine::{BodyKind, Message, Packet, Protocol, decode_payload},
    socket::{Assembler, encode_event, split_event},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[track_caller]
fn check<T>(allocations: usize, work: impl FnOnce() -> T) {
    let region = Region::new(ALLOCATOR);
    let result = black_box(work());
    let change = region.change();
    drop(result);
    assert_eq!(change.allocations + change.reallocations, allocations);
}

fn receive<T: serde::de::DeserializeOwned>(body: &[u8]) -> T {
    let mut assembler = Assembler::default();
    let Some(Ok(Packet::Message(Message::Text(text)))) = decode_payload(Protocol::V4, BodyKind::Text, body).next()
    else {
        panic!("a text message")
    };
    let packet = assembler.text(&text, &Limits::default()).unwrap().unwrap();
    split_event(packet.payload).unwrap().arguments.deserialize().unwrap()
}

/// One test, since tests of one binary run side by side.
#[test]
fn an_event_allocates_what_its_values_need() {
    check(0, || receive::<()>(br#"42/room,["move",1,"words",null]"#));
    check(0, || receive::<()>(br#"42/room,["move",{"x":1,"y":[2]},"words"]"#));
    check(0, || receive::<(f64, Option<u32>)>(br#"4212["move",1.5,7]"#));
    check(1, || receive::<String>(br#"42["chat message","hello"]"#));

    let mut out = Vec::with_capacity(256);
    let mut attachments = Vec::new();
    check(0, || encode_event(&mut out, "/room", Some(7), "move", &(1.5, "b"), &mut attachments, &Limits::default()));

    let payload = b"42[\"a\"]\x1e".repeat(100);
    let packets = payload.strip_suffix(b"\x1e").unwrap();
    check(0, || assert_eq!(decode_payload(Protocol::V4, BodyKind::Text, packets).map(Result::unwrap).count(), 100));
}
