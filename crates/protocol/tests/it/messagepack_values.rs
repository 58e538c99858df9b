//! Whole values as MessagePack: the bytes of `notepack.io` 3.0.1.

use bytes::Bytes;
use proptest::prelude::*;
use sockeye_protocol::socket::{
    Value,
    messagepack::{decode, encode},
};

use crate::{messagepack::bytes_of, socket::value};

/// What notepack has written is read, and written again.
#[track_caller]
fn check(hex: &str, json: &str) {
    check_read(hex, json);
    assert_eq!(encode(&serde_json::from_str(json).unwrap()).unwrap(), bytes_of(hex), "{json}");
}

/// What notepack has written is read; ours has another form for it.
#[track_caller]
fn check_read(hex: &str, json: &str) {
    assert_eq!(decode(&bytes_of(hex)), Ok(serde_json::from_str(json).unwrap()), "{json}");
}

#[test]
fn values_have_notepack_s_bytes() {
    check("c0", "null");
    check("c3", "true");
    check("c2", "false");
    check("00", "0");
    check("01", "1");
    check("7f", "127");
    check("cc80", "128");
    check("ccff", "255");
    check("cd0100", "256");
    check("cdffff", "65535");
    check("ce00010000", "65536");
    check("ceffffffff", "4294967295");
    check("cf0000000100000000", "4294967296");
    check("cf001fffffffffffff", "9007199254740991");
    check("ff", "-1");
    check("e0", "-32");
    check("d0df", "-33");
    check("d080", "-128");
    check("d1ff7f", "-129");
    check("d18000", "-32768");
    check("d2ffff7fff", "-32769");
    check("d280000000", "-2147483648");
    check("d3ffffffff7fffffff", "-2147483649");
    check("d3ffe0000000000001", "-9007199254740991");
    check("cf1000000000000000", "1152921504606846976");
    check("cf8ac7230489e80000", "10000000000000000000");
    check("cb3fe0000000000000", "0.5");
    check("cbbff4000000000000", "-1.25");
    check("cb3fd3333333333334", "0.30000000000000004");
    check("cb3e7ad7f29abcaf48", "1e-7");
    check("cb0000000000000001", "5e-324");
    check("a0", r#""""#);
    check("a9c3a9e282acf09f9880", r#""é€😀""#);
    check("bf78787878787878787878787878787878787878787878787878787878787878", r#""xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#);
    check(
        "d9207878787878787878787878787878787878787878787878787878787878787878",
        r#""xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
    );
    check("90", "[]");
    check("80", "{}");
    check("92919001", "[[[]],1]");
    check("83a16201a16181a8d0bad0bbd18ed18792c0c2a002", r#"{"b":1,"a":{"ключ":[null,false]},"":2}"#);
    check("dc0010000102030405060708090a0b0c0d0e0f", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]");
    check(
        "de0010a26b3000a26b3101a26b3202a26b3303a26b3404a26b3505a26b3606a26b3707a26b3808a26b3909a36b31300aa36b31310ba36b31320ca36b31330da36b31340ea36b31350f",
        r#"{"k0":0,"k1":1,"k2":2,"k3":3,"k4":4,"k5":5,"k6":6,"k7":7,"k8":8,"k9":9,"k10":10,"k11":11,"k12":12,"k13":13,"k14":14,"k15":15}"#,
    );
}

#[test]
fn what_json_has_not_is_read_as_it_would_be_after_json() {
    check_read("d6ff00000000", r#""1970-01-01T00:00:00.000Z""#);
    check_read("d6ff6553f100", r#""2023-11-14T22:13:20.000Z""#);
    check_read("d7ff1d5353006553f100", r#""2023-11-14T22:13:20.123Z""#);
    check_read("c70cff3b8b87c0ffffffffffffffff", r#""1969-12-31T23:59:59.999Z""#);
    check_read("d6ffffffffff", r#""2106-02-07T06:28:15.000Z""#);
    check_read("d7ff0000000100000000", r#""2106-02-07T06:28:16.000Z""#);
    check_read("d7ffee2e1f03ffffffff", r#""2514-05-30T01:53:03.999Z""#);
    check_read("c70cff000000000000000400000000", r#""2514-05-30T01:53:04.000Z""#);
    check_read("c70cff00000000000007dba8218000", r#""+275760-09-13T00:00:00.000Z""#);
    check_read("c70cff00000000fffff82457de8000", r#""-271821-04-20T00:00:00.000Z""#);
    check_read("92c081a16201", r#"[null,{"b":1}]"#);
    check_read("c0", "null");
}

#[test]
fn lengths_have_notepack_s_forms() {
    let heads = [
        (255, "d9ff", "c4ff", "dc00ff", "de00ff"),
        (256, "da0100", "c50100", "dc0100", "de0100"),
        (65_535, "daffff", "c5ffff", "dcffff", "deffff"),
        (65_536, "db00010000", "c600010000", "dd00010000", "df00010000"),
    ];
    for (len, text, bytes, array, map) in heads {
        let begins = |value: Value, head| {
            let written = encode(&value).unwrap();
            assert!(written.starts_with(&bytes_of(head)), "{len}, {head}");
            assert_eq!(decode(&written), Ok(value));
        };
        begins("x".repeat(len).into(), text);
        begins(Bytes::from(vec![7; len]).into(), bytes);
        begins(vec![Value::Null; len].into(), array);
        begins((0..len).map(|key| (key.to_string(), Value::Null)).collect::<Vec<_>>().into(), map);
    }
}

#[test]
fn keys_that_are_numbers_are_texts() {
    check_read("8101c3", r#"{"1":true}"#);
    check_read("81cb3ff8000000000000c3", r#"{"1.5":true}"#);
    assert!(decode(&bytes_of("81c0c3")).is_err());
}

#[test]
fn an_extension_that_nobody_knows_is_its_number_and_its_bytes() {
    let expected = Value::Array(vec![5.into(), Bytes::from_static(b"\x07").into()]);
    assert_eq!(decode(&bytes_of("d40507")), Ok(expected));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(value in value()) {
        // A whole number may be a float in the first, and is none any more in the second.
        let read = decode(&encode(&value).unwrap()).unwrap();
        prop_assert_eq!(read.to_json().unwrap(), value.to_json().unwrap());
        prop_assert_eq!(decode(&encode(&read).unwrap()), Ok(read));
    }

    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = decode(&bytes) {
            prop_assert_eq!(decode(&encode(&value).unwrap()), Ok(value));
        }
    }
}
