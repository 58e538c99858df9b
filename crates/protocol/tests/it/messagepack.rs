//! MessagePack: the bytes of the npm package are read and written, and no bytes do harm.

use bytes::Bytes;
use proptest::prelude::*;
use sockeye_protocol::{
    Limits,
    engine::{Message, Protocol},
    socket::{
        Assembled, DecodeError, EncodeError, MessagePackParser, Packet, PacketType, Parser, Value, decode, encode_event,
    },
};

use crate::{
    socket::{All, value},
    support::fuzzed,
};

pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn read_as(protocol: Protocol, message: Message<'_>) -> Result<Assembled, DecodeError> {
    let read = MessagePackParser.decoder(protocol).decode(message, &Limits::default())?;
    Ok(read.expect("every message is a packet"))
}

fn read(bytes: &[u8]) -> Result<Assembled, DecodeError> {
    read_as(Protocol::V4, Message::Binary(bytes.into()))
}

fn write(packet: &Packet<'_>, attachments: &[Bytes]) -> Result<Vec<u8>, EncodeError> {
    let encoded = MessagePackParser.encode(packet, attachments)?;
    assert_eq!((encoded.as_text(), encoded.binaries().len()), (None, 1));
    Ok(encoded.binaries()[0].to_vec())
}

fn packet(kind: PacketType, payload: &str) -> Packet<'_> {
    Packet { kind, namespace: "/", id: None, attachments: 0, payload }
}

fn event(payload: &str) -> Packet<'_> {
    packet(PacketType::Event, payload)
}

fn binary_event(attachments: usize, payload: &str) -> Packet<'_> {
    Packet { attachments, ..packet(PacketType::BinaryEvent, payload) }
}

/// What npm's encoder has written is read, and written again by ours.
#[track_caller]
fn check(hex: &str, packet: Packet<'_>, attachments: &[&'static [u8]]) {
    check_read(hex, packet, attachments);
    let attachments: Vec<Bytes> = attachments.iter().copied().map(Bytes::from_static).collect();
    assert_eq!(write(&packet, &attachments).unwrap(), bytes_of(hex));
}

/// What npm's encoder has written is read; ours has another form for it.
#[track_caller]
fn check_read(hex: &str, packet: Packet<'_>, attachments: &[&[u8]]) {
    let read = read(&bytes_of(hex)).unwrap();
    assert_eq!(read.packet(), packet);
    assert_eq!(read.attachments(), attachments);
    assert_eq!(read.packet().validate(), Ok(()));
}

#[track_caller]
fn check_invalid(hex: &str, message: &str) {
    let error = read(&bytes_of(hex)).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
}

/// An event `x` with one argument in this form.
fn argument(hex: &str) -> String {
    format!("83 a474797065 02 a464617461 92 a178 {hex} a36e7370 a12f")
}

#[track_caller]
fn check_argument(hex: &str, json: &str) {
    check_read(&argument(hex), event(&format!(r#"["x",{json}]"#)), &[]);
}

#[test]
fn every_type_is_read_and_written() {
    let admin = |kind, payload| Packet { namespace: "/admin", ..packet(kind, payload) };
    check(
        "83a47479706500a46461746181a5746f6b656ea178a36e7370a62f61646d696e",
        admin(PacketType::Connect, r#"{"token":"x"}"#),
        &[],
    );
    check("82a47479706501a36e7370a62f61646d696e", admin(PacketType::Disconnect, ""), &[]);
    check("83a47479706502a46461746192a3666f6f01a36e7370a12f", event(r#"["foo",1]"#), &[]);
    check(
        "84a47479706502a46461746191a3666f6fa269640ca36e7370a62f61646d696e",
        Packet { id: Some(12), ..admin(PacketType::Event, r#"["foo"]"#) },
        &[],
    );
    check(
        "83a47479706504a46461746182a76d657373616765a26e6fa46461746181a4636f646507a36e7370a12f",
        packet(PacketType::ConnectError, r#"{"message":"no","data":{"code":7}}"#),
        &[],
    );
    check("83a47479706504a464617461a26e6fa36e7370a12f", packet(PacketType::ConnectError, r#""no""#), &[]);
}

#[test]
fn keys_may_come_in_any_order_and_unknown_ones_are_ignored() {
    check_read(
        "84a26964cd012ca47479706503a46461746194a26f6bc0c3c2a36e7370a12f",
        Packet { id: Some(300), ..packet(PacketType::Ack, r#"["ok",null,true,false]"#) },
        &[],
    );
    check_read(
        "85a47479706502a46461746191a3666f6fa76f7074696f6e7381a8636f6d7072657373c3a269640ca36e7370a62f61646d696e",
        Packet { namespace: "/admin", id: Some(12), ..event(r#"["foo"]"#) },
        &[],
    );
    check_read("84 01 93010203 a36e7370a12f a464617461 91a178 a474797065 02", event(r#"["x"]"#), &[]);
    let twice = "84 a474797065 00 a36e7370a12f a464617461 91a178 a474797065 02";
    check_read(twice, event(r#"["x"]"#), &[]);
}

#[test]
fn what_is_undefined_is_not_there() {
    let connect = "84a47479706500a464617461d40000a76f7074696f6e7381a8636f6d7072657373c3a36e7370a12f";
    check_read(connect, packet(PacketType::Connect, ""), &[]);
    let answer = "83a47479706500a46461746182a3736964a3616263a3706964d40000a36e7370a12f";
    check_read(answer, packet(PacketType::Connect, r#"{"sid":"abc"}"#), &[]);
    check_read(
        "83a47479706502a46461746194a175d4000082a161d40000a1620191d40000a36e7370a12f",
        event(r#"["u",null,{"b":1},[null]]"#),
        &[],
    );
    check_argument("83 a161d40000 a162d40000 a163d40000", "{}");
    check_argument("83 a16101 a162d40000 a16302", r#"{"a":1,"c":2}"#);
    check_read("84 a474797065 02 a464617461 91a178 a36e7370a12f a26964 d40000", event(r#"["x"]"#), &[]);
}

#[test]
fn a_date_is_the_text_that_json_has_for_it() {
    check_argument("d7000000000000000000", r#""1970-01-01T00:00:00.000Z""#);
    check_argument("d7000000018df74f83ff", r#""2024-02-29T23:59:59.999Z""#);
    check_argument("d700ffffffffffffffff", r#""1969-12-31T23:59:59.999Z""#);
    check_argument("d700ffffc76e394a7400", r#""-000001-01-01T00:00:00.000Z""#);
    check_argument("d700001eb208c2dc0000", r#""+275760-09-13T00:00:00.000Z""#);
    check_argument("d700001eb208c2dc0001", "null");
    check_argument("d7008000000000000000", "null");
}

#[test]
fn timestamps_of_messagepack_itself_are_dates_too() {
    check_argument("d6ff 65e0f47f", r#""2024-02-29T21:17:51.000Z""#);
    check_argument("d7ff ee2e76fc65e0f47f", r#""2024-02-29T21:17:51.999Z""#);
    check_argument("c70cff 00000000 ffffffffffffffff", r#""1969-12-31T23:59:59.000Z""#);
    check_argument("c70cff 3b9ac9ff 0000000000000000", r#""1970-01-01T00:00:00.999Z""#);
    check_argument("c70cff ffffffff 7fffffffffffffff", "null");
}

#[test]
fn bytes_are_attachments_at_any_depth() {
    let hole = |num| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
    let payload = format!(r#"["b",{},{{"deep":[{}]}}]"#, hole(0), hole(1));
    let hex = "83a47479706502a46461746193a162c40301020381a46465657091c400a36e7370a12f";
    check(hex, binary_event(2, &payload), &[&[1, 2, 3], &[]]);
    let payload = format!(r#"["t",{},{}]"#, hole(0), hole(1));
    let hex = "83a47479706502a46461746193a174c7040001000201c7010000a36e7370a12f";
    check_read(hex, binary_event(2, &payload), &[&[1, 0, 2, 1], &[0]]);
    for (hex, bytes) in [
        ("c5 0001 07", &[7][..]),
        ("c6 00000001 07", &[7]),
        ("c8 0001 00 07", &[7]),
        ("c9 00000001 00 07", &[7]),
        ("d5 00 0708", &[7, 8]),
        ("d6 00 07080900", &[7, 8, 9, 0]),
        ("c7 08 00 0000000000000001", &[0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        check_read(&argument(hex), binary_event(1, &format!(r#"["x",{}]"#, hole(0))), &[bytes]);
    }
    check_read(&argument("d405 07"), binary_event(1, &format!(r#"["x",[5,{}]]"#, hole(0))), &[&[7]]);
    let ack = read(&bytes_of("84a26964 00 a47479706503 a46461746191 c40107 a36e7370a12f")).unwrap();
    assert_eq!(ack.packet().kind, PacketType::BinaryAck);
    assert_eq!(ack.ack().unwrap().deserialize::<Bytes>(), Ok(Bytes::from_static(&[7])));
}

#[test]
fn bytes_of_an_auth_are_written_out() {
    let hex = "83a47479706500 a46461746181 a16b c4020703 a36e7370a12f";
    check_read(hex, packet(PacketType::Connect, r#"{"k":{"type":"Buffer","data":[7,3]}}"#), &[]);
}

#[test]
fn an_object_is_never_taken_for_bytes() {
    let hex = "83a47479706502a46461746192a17082ac5f706c616365686f6c646572c3a36e756d00a36e7370a12f";
    check(hex, event(r#"["p",{"_placeholder":true,"num":0}]"#), &[]);
    let beside = "83a47479706502a46461746193a17082ac5f706c616365686f6c646572c3a36e756d00c40107a36e7370a12f";
    check_invalid(beside, "invalid payload: expected no object with a true `_placeholder` beside bytes");
    let not_true = "83a47479706502a46461746193a17081ac5f706c616365686f6c64657201c40107a36e7370a12f";
    let payload = r#"["p",{"_placeholder":1},{"_placeholder":true,"num":0}]"#;
    check(not_true, binary_event(1, payload), &[&[7]]);

    let hole = r#"{"_placeholder":true,"num":0}"#;
    let one = [Bytes::from_static(&[7])];
    for arguments in [
        format!("{hole},{hole}"),
        r#"{"_placeholder":true,"num":1}"#.to_owned(),
        format!(r#"{hole},{{"_placeholder":true,"num":1}}"#),
        format!(r#"{{"_placeholder":true,"num":"0"}},{hole}"#),
        "1".to_owned(),
    ] {
        let payload = format!(r#"["p",{arguments}]"#);
        let written = write(&binary_event(1, &payload), &one);
        assert!(matches!(written, Err(EncodeError::AmbiguousPlaceholder)), "{payload}");
    }
}

#[test]
fn integers_of_all_widths_are_read_and_written() {
    check(
        "83a47479706502a4646174619ba16e007fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000cf001fffffffffffffa36e7370a12f",
        event(r#"["n",0,127,128,255,256,65535,65536,4294967295,4294967296,9007199254740991]"#),
        &[],
    );
    check(
        "83a47479706502a4646174619ba16effe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffffd3ffe0000000000001a36e7370a12f",
        event(r#"["n",-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,-9007199254740991]"#),
        &[],
    );
    check(&argument("cfffffffffffffffff"), event(r#"["x",18446744073709551615]"#), &[]);
    check(&argument("d38000000000000000"), event(r#"["x",-9223372036854775808]"#), &[]);
    check_argument("d3 0000000000000001", "1");
    check_argument("cf 0000000000000001", "1");
}

#[test]
fn floats_are_written_as_javascript_writes_them() {
    check_read(
        "83a47479706502a46461746198a166cb3ff8000000000000cbbfb999999999999acb3e7ad7f29abcaf48cb0000000000000001cb7ff8000000000000cb7ff000000000000000a36e7370a12f",
        event(r#"["f",1.5,-0.1,1e-7,5e-324,null,null,0]"#),
        &[],
    );
    check_argument("cb4008000000000000", "3");
    check_argument("ca3fc00000", "1.5");
    check_argument("cb444b1ae4d6e2ef50", "1e+21");
    check(&argument("cb3ff8000000000000"), event(r#"["x",1.5]"#), &[]);
    let floats = write(&event(r#"["x",3.0,-0.0,1e300,9007199254740994.0]"#), &[]).unwrap();
    let hex = "83 a474797065 02 a464617461 95 a178 03 00 cb7e37e43c8800759c cb4340000000000001 a36e7370 a12f";
    assert_eq!(floats, bytes_of(hex));
}

#[test]
fn texts_and_keys_are_read_and_written() {
    let (short, long) = ("a".repeat(31), "a".repeat(32));
    check(
        "83a47479706502a46461746195a173a0a9c3a9e282acf09f9880bf61616161616161616161616161616161616161616161616161616161616161d9206161616161616161616161616161616161616161616161616161616161616161a36e7370a32fc3bc",
        Packet { namespace: "/ü", ..event(&format!(r#"["s","","é€😀","{short}","{long}"]"#)) },
        &[],
    );
    check(
        "83a47479706502a46461746192a16b83a131a161a2712202a17880a36e7370a12f",
        event(r#"["k",{"1":"a","q\"":2,"x":{}}]"#),
        &[],
    );
    check_argument("83 01 a161 ff a162 cb3ff8000000000000 a163", r#"{"1":"a","-1":"b","1.5":"c"}"#);
    check_argument("a20a22", r#""\n\"""#);
}

#[test]
fn long_lists_and_maps_are_read_and_written() {
    let numbers: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    check(
        "83a47479706502a46461746192a16ddc0010000102030405060708090a0b0c0d0e0fa36e7370a12f",
        event(&format!(r#"["m",[{}]]"#, numbers.join(","))),
        &[],
    );
    let entries: Vec<String> = (0..16).map(|number| format!(r#""k{number}":{number}"#)).collect();
    check(
        "83a47479706502a46461746192a16dde0010a26b3000a26b3101a26b3202a26b3303a26b3404a26b3505a26b3606a26b3707a26b3808a26b3909a36b31300aa36b31310ba36b31320ca36b31330da36b31340ea36b31350fa36e7370a12f",
        event(&format!(r#"["m",{{{}}}]"#, entries.join(","))),
        &[],
    );
}

#[test]
fn broken_packets_are_refused_in_node_s_words() {
    for kind in ["05", "06", "ff", "a132", "c0", "cb3ff8000000000000", "d40000"] {
        check_invalid(&format!("83 a474797065 {kind} a464617461 91a178 a36e7370 a12f"), "invalid packet type");
    }
    for not_a_packet in ["c0", "91a178", "a178", "80", "81a36e7370a12f", "c40107"] {
        check_invalid(not_a_packet, "invalid packet type");
    }
    for namespace in ["01", "c0", "c4012f", "91a12f", "d40000"] {
        check_invalid(&format!("83 a474797065 02 a464617461 91a178 a36e7370 {namespace}"), "invalid namespace");
    }
    check_invalid("82 a474797065 02 a464617461 91a178", "invalid namespace");
    for id in ["a130", "cb3ff8000000000000", "c0", "ff", "90"] {
        let hex = format!("84 a474797065 02 a464617461 91a178 a36e7370a12f a26964 {id}");
        check_invalid(&hex, "invalid packet id");
    }
}

#[test]
fn payloads_of_the_wrong_kind_are_refused() {
    for (kind, data) in [
        ("00", "c0"),
        ("00", "90"),
        ("00", "a161"),
        ("01", "80"),
        ("01", "c0"),
        ("02", "80"),
        ("02", "c0"),
        ("02", "a161"),
        ("02", "d40000"),
        ("03", "80"),
        ("03", "01"),
        ("04", "90"),
        ("04", "c0"),
        ("04", "d40000"),
    ] {
        let hex = format!("83 a474797065 {kind} a464617461 {data} a36e7370 a12f");
        check_invalid(&hex, "invalid payload");
    }
    check_invalid("82 a474797065 02 a36e7370 a12f", "invalid payload");
    // As with text, a name is looked at when the event is taken apart; npm's parser lets reserved ones pass.
    for name in ["90", "91c3", "91c0", "9180", "91a7636f6e6e656374", "91c40107"] {
        let event = read(&bytes_of(&format!("83 a474797065 02 a464617461 {name} a36e7370 a12f"))).unwrap();
        let error = event.event().map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("invalid payload"), "{error}");
    }
}

#[test]
fn malformed_bytes_are_refused() {
    let whole = bytes_of("83a47479706502a46461746193a162c40301020381a46465657091c400a36e7370a12f");
    for len in 0..whole.len() {
        assert!(read(&whole[..len]).is_err(), "{len} bytes");
    }
    check_invalid("82a47479706501a36e7370a12f00", "malformed message: 1 trailing bytes");
    check_invalid(&argument("c1"), "malformed message");
    check_invalid(&argument("a2c328"), "malformed message: text that is not UTF-8");
    check_invalid(&argument("81 90 01"), "malformed message: a map key");
    for lies in ["dfffffffff", "ddffffffff", "dbffffffff", "c6ffffffff", "c9ffffffff00", "82a47479706501", "c7"] {
        assert!(read(&bytes_of(lies)).is_err(), "{lies}");
        assert!(read(&bytes_of(&argument(lies))).is_err(), "{lies}");
    }
    let text = read_as(Protocol::V4, Message::Text("0".into())).unwrap_err();
    assert_eq!(text, DecodeError::malformed("expected a binary message"));
}

#[test]
fn values_nest_as_deep_as_json_is_read() {
    let nested = |levels: usize, inside: &str| argument(&format!("{}{inside}", "91".repeat(levels)));
    // The list of name and arguments is a level too, and so is the object that stands for bytes.
    for (levels, inside) in [(126, "c0"), (125, "c40107"), (124, "d40507")] {
        let deepest = read(&bytes_of(&nested(levels, inside))).unwrap();
        assert!(deepest.event().unwrap().arguments.deserialize::<Value>().is_ok());
        assert!(write(&deepest.packet(), deepest.attachments()).is_ok());
        let error = read(&bytes_of(&nested(levels + 1, inside))).unwrap_err();
        assert!(error.to_string().contains("127 levels"), "{error}");
    }
    let read_nested = |levels| read(&bytes_of(&nested(levels, "c0")));
    assert!(read_nested(500_000).is_err());
    let junk = format!("82 a16a {}c0 a474797065 01", "8100".repeat(100_000));
    assert!(read(&bytes_of(&junk)).is_err());
}

#[test]
fn old_clients_may_send_text_and_the_types_of_binary_packets() {
    let text = |text: &'static str| read_as(Protocol::V3, Message::Text(text.into()));
    let connect = text(r#"{"type":0,"nsp":"/admin?token=x"}"#).unwrap();
    assert_eq!(connect.packet(), Packet { namespace: "/admin?token=x", ..packet(PacketType::Connect, "") });
    assert_eq!(text(r#"{"type":1,"nsp":"/"}"#).unwrap().packet(), packet(PacketType::Disconnect, ""));
    for broken in
        ["", "0", "{", r#"{"type":1}"#, r#"{"type":2,"nsp":"/","data":["a"]}"#, r#"{"type":1,"nsp":"/","data":{}}"#]
    {
        assert!(text(broken).is_err(), "{broken}");
    }
    let event = bytes_of("83 a474797065 05 a464617461 92a162c40107 a36e7370 a12f");
    let event = read_as(Protocol::V3, Message::Binary(event.into())).unwrap();
    assert_eq!((event.packet().kind, event.attachments().len()), (PacketType::BinaryEvent, 1));
    let ack = bytes_of("84 a474797065 06 a464617461 91a162 a36e7370a12f a26964 01");
    assert_eq!(read_as(Protocol::V3, Message::Binary(ack.into())).unwrap().packet().kind, PacketType::Ack);
}

fn limits() -> Limits {
    Limits::default().with_max_attachments(1000)
}

proptest! {
    #[test]
    fn a_written_packet_is_read_again(
        namespace in ".{0,8}",
        id in any::<Option<u64>>(),
        values in prop::collection::vec(value(), 0..4),
    ) {
        let (mut text, mut attachments) = (Vec::new(), Vec::new());
        encode_event(&mut text, "/", id, "e", &All(values.clone()), &mut attachments, &limits()).unwrap();
        let text = String::from_utf8(text).unwrap();
        let packet = Packet { namespace: &namespace, ..decode(&text, &limits()).unwrap() };
        let bytes = write(&packet, &attachments).unwrap();
        let found = read(&bytes).unwrap();
        prop_assert_eq!((found.packet().kind, found.packet().id), (packet.kind, packet.id));
        prop_assert_eq!(found.packet().namespace, packet.namespace);
        let raw = found.event().unwrap().arguments.to_raw().unwrap();
        prop_assert_eq!(raw.to_values(), Ok(values.iter().map(in_javascript).collect()));
        // Integral floats have become integers, so the second writing is the same as the first.
        prop_assert_eq!(write(&found.packet(), found.attachments()).unwrap(), bytes);
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        fuzzed::messagepack::run(&bytes);
    }

    #[test]
    fn no_nearly_valid_packet_does_harm(
        kind in 0_u8..7,
        value in prop::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0xa4, 0xc0_u8..0xe0], 0..24),
    ) {
        let mut bytes = b"\x83\xa4type".to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(b"\xa3nsp\xa1/\xa4data\x92\xa1x");
        bytes.extend_from_slice(&value);
        fuzzed::messagepack::run(&bytes);
    }
}

/// JavaScript does not tell whole floats from integers.
fn in_javascript(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "the generated floats are small")]
            Some(float) if float.fract() == 0.0 => Value::from(float as i64),
            _ => value.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(in_javascript).collect()),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), in_javascript(value))).collect())
        }
        other => other.clone(),
    }
}
