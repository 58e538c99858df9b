//! A server for the tests of scenes: joins everybody, then answers each event as the test says.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::Common;

/// Starts the server and gives the options that measure it for a moment.
pub(crate) fn serve(answer: fn(&str) -> Option<String>) -> Common {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || answer_all(stream, answer));
        }
    });
    Common { url, pid: None, seconds: Duration::from_millis(100), warmup: Duration::from_millis(10) }
}

fn answer_all(mut stream: TcpStream, answer: fn(&str) -> Option<String>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    stream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        .ok()?;
    send(&mut stream, r#"0{"sid":"a"}"#)?;
    loop {
        let mut header = [0; 6];
        stream.read_exact(&mut header).ok()?;
        let mut payload = vec![0; usize::from(header[1] & 127)];
        stream.read_exact(&mut payload).ok()?;
        match String::from_utf8(payload).ok()?.as_str() {
            "40" => send(&mut stream, r#"40{"sid":"b"}"#)?,
            event => send(&mut stream, &answer(event)?)?,
        }
    }
}

/// A short text frame, in two pieces: the load must wait for the second.
fn send(stream: &mut TcpStream, text: &str) -> Option<()> {
    stream.write_all(&[0x81, u8::try_from(text.len()).ok()?]).ok()?;
    stream.write_all(text.as_bytes()).ok()
}
