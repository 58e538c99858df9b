//! Headers of a handshake: what a server answers is taken by clients, and what a client takes is right.

use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sockeye_websocket::deflate::{self, Config, Windows};
use sockeye_websocket::handshake;

/// The key of the RFC's example, which is the client's here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Reads lines as headers, those that can be none left out. The first byte chooses: 1 is a client that reads an answer,
/// 2 a server that compresses with its largest window only.
///
/// # Panics
/// If a server's answer is refused by a client, or if a client takes an answer to another key.
pub(crate) fn run(input: &[u8]) {
    let Some((&choice, lines)) = input.split_first() else { return };
    let headers = headers(lines);
    if choice & 1 == 0 {
        let windows = if choice & 2 == 0 { Windows::All } else { Windows::Whole };
        serve(&headers, Config::default().windows(windows));
    } else {
        check(&headers);
    }
}

fn serve(request: &HeaderMap, config: Config) {
    if let Some(deflate) = deflate::negotiate(request, config) {
        let answer = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, deflate.answer())]);
        assert!(matches!(deflate::accept(&answer, config), Ok(Some(_))), "{answer:?}");
    }
    match handshake::answer(request) {
        Ok(answer) => {
            let key = request[SEC_WEBSOCKET_KEY].to_str().expect("a key is ASCII");
            assert_eq!(handshake::check_answer(answer.status(), answer.headers(), key), Ok(()));
        }
        Err(error) => assert!(error.status().is_client_error()),
    }
}

fn check(answer: &HeaderMap) {
    let _agreed = deflate::accept(answer, Config::default());
    if handshake::check_answer(StatusCode::SWITCHING_PROTOCOLS, answer, KEY).is_ok() {
        assert_eq!(answer["sec-websocket-accept"], handshake::accept_key(KEY));
    }
}

fn headers(lines: &[u8]) -> HeaderMap {
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = value[1..].trim_ascii();
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.split(|byte| *byte == b'\n').filter_map(header) {
        headers.append(name, value);
    }
    headers
}
