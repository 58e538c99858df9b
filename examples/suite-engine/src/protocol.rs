//! The server of the protocol's suites: it sends back every message.

use std::sync::Arc;
use std::time::Duration;

use sockeye_engine::{
    Acceptor, Closed, ConfigError, Connection, Engine, EngineConfig, Guarantee, Message, Receiver, Transport,
};

pub(crate) fn engine() -> Result<Engine, ConfigError> {
    let config = EngineConfig::default()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .max_payload(1_000_000);
    Engine::new(config, Arc::new(Echoes))
}

struct Echoes;

impl Acceptor for Echoes {
    fn accept(&self, connection: Connection) -> Box<dyn Receiver> {
        if connection.transport() == Transport::WebSocket {
            // One test listens for the first message a moment after its WebSocket has opened, and the two must not
            // arrive together. The server has but one event loop, and this holds the message back.
            std::thread::sleep(Duration::from_millis(5));
        }
        Box::new(Echo(connection))
    }
}

struct Echo(Connection);

impl Receiver for Echo {
    fn receive(&mut self, message: Message<'_>) {
        send_back(&self.0, message);
    }

    fn closed(&mut self, _: Closed) {}
}

pub(crate) fn send_back(connection: &Connection, message: Message<'_>) {
    match message {
        Message::Text(text) => connection.send_text(text.as_bytes(), &[], Guarantee::Reliable),
        Message::Binary(bytes) => connection.send_binary(&bytes, Guarantee::Reliable),
    }
}
