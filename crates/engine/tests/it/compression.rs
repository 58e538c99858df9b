//! Compressed answers to polls.

use std::io::Read;

use sockeye_engine::{Compression, EngineConfig, Guarantee, HttpCompression};

use crate::support::{Answer, Polling, Request, Server};

fn poll(polling: &Polling, accept: &str) -> Answer {
    Request::get(&polling.target).header("Accept-Encoding", accept).answer(polling.address)
}

fn inflate(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    let body = &answer.body[..];
    let read = match answer.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_end(&mut plain),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        Some(other) => panic!("unknown form {other:?}"),
        None => (&mut &body[..]).read_to_end(&mut plain),
    };
    read.unwrap();
    plain
}

#[test]
fn long_answers_come_in_the_form_that_the_client_likes_best() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        // The longer one is compressed on another thread.
        for length in [1023, 200_000] {
            let message = format!("4{}", "x".repeat(length));
            for (accept, form) in [
                ("gzip, deflate, br", Some("gzip")),
                ("deflate", Some("deflate")),
                ("br", Some("br")),
                ("gzip;q=0.1, br;q=0.2", Some("br")),
                ("identity", None),
                ("gzip;q=0", None),
                ("", None),
            ] {
                polling.send(&message);
                let answer = poll(&polling, accept);
                assert_eq!((answer.status, answer.header("content-encoding")), (200, form), "{accept:?}");
                assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
                assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
                assert_eq!(answer.header("vary"), None, "as in Node: such an answer is for no cache");
                assert!(inflate(&answer) == message.as_bytes(), "{accept:?}");
            }
            polling.send(&message);
            assert_eq!(polling.poll().header("content-encoding"), None, "without the header");
        }
    });
}

#[test]
fn short_answers_are_sent_as_they_are() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        polling.send(&format!("4{}", "x".repeat(1022)));
        let answer = poll(&polling, "gzip");
        assert_eq!((answer.header("content-encoding"), answer.body.len()), (None, 1023));
    });
}

#[test]
fn compression_may_be_off_or_begin_elsewhere() {
    for (setting, form) in [(HttpCompression::off(), None), (HttpCompression::above(10), Some("gzip"))] {
        Server::each(&EngineConfig::default().http_compression(setting), |server| {
            let polling = Polling::open(server);
            polling.send(&format!("4{}", "x".repeat(2000)));
            assert_eq!(poll(&polling, "gzip").header("content-encoding"), form);
            polling.send("4xxxxxxxxxx");
            assert_eq!(poll(&polling, "gzip").header("content-encoding"), form);
        });
    }
}

#[test]
fn an_answer_is_compressed_if_one_of_its_messages_may_be() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        let connection = server.opened();
        let long = vec![b'x'; 2000];
        connection.send_text(&long, &[], Compression::Never);
        assert_eq!(poll(&polling, "gzip").header("content-encoding"), None);
        connection.send_text(&long, &[], Compression::Never);
        connection.send_text(b"short", &[], Guarantee::Reliable);
        let answer = poll(&polling, "gzip");
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert!(inflate(&answer).ends_with(b"\x1e4short"));
    });
}

#[test]
fn bytes_and_scripts_are_compressed_too() {
    Server::each(&EngineConfig::default(), |server| {
        let bytes = Polling::open_with(server, "EIO=3");
        server.opened().send_binary(&[7; 3000], Guarantee::Reliable);
        let answer = poll(&bytes, "gzip");
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!((answer.header("content-encoding"), inflate(&answer).len()), (Some("gzip"), 3007));
        let script = Polling::open_with(server, "EIO=4&j=0");
        server.opened().send_text(&[b'x'; 3000], &[], Guarantee::Reliable);
        let answer = poll(&script, "gzip");
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert!(inflate(&answer).starts_with(b"___eio[0](\"4xxx"));
    });
}

#[test]
fn the_loop_goes_on_while_a_long_answer_is_compressed() {
    Server::each(&EngineConfig::default(), |server| {
        let polling = Polling::open(server);
        // Noise, which takes longest.
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b' ' + (state >> 25) as u8 % 90
        })
        .take(400_000)
        .collect();
        server.opened().send_text(&noise, &[], Guarantee::Reliable);
        let begin = crate::support::now();
        let answer = Request::get(&polling.target).header("Accept-Encoding", "gzip").send(server.address);
        let mut bystander = crate::support::WebSocket::open(server);
        let mut slowest = std::time::Duration::ZERO;
        for _ in 0..20 {
            let start = crate::support::now();
            bystander.echo("still here");
            slowest = slowest.max(crate::support::now() - start);
        }
        let answer = answer.answer();
        let took = crate::support::now() - begin;
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert!(inflate(&answer).len() == noise.len() + 1);
        println!("{took:?} to compress, slowest echo meanwhile {slowest:?}");
        assert!(slowest < took / 2, "an echo took {slowest:?} of the {took:?} that compressing took");
    });
}
