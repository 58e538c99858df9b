//! The server of engine.io-client's own suite: a greeting, echoes, some answers, cookies, a bound that is soon reached.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use sockeye_engine::{
    Acceptor, Closed, ConfigError, Connection, Engine, EngineConfig, Forbidden, Guarantee, HandshakeRequest, Message,
    Receiver,
};

use crate::posts::Posts;
use crate::protocol::send_back;

/// Two that the client keeps, and two that are over as soon as they come.
const COOKIES: [&str; 4] = [
    "1=1; Max-Age=86400",
    "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
    "3=3; Max-Age=0",
    "4=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
];

pub(crate) fn engine() -> Result<Engine, ConfigError> {
    let posts = Arc::new(Posts::default());
    let noting = posts.clone();
    let config = EngineConfig::default()
        .ping_interval(Duration::from_millis(500))
        .max_payload(100)
        .allow_request(async |request: HandshakeRequest| match request.query("deny") {
            Some(_) => Err(Forbidden::default()),
            None => Ok(()),
        })
        .on_initial_headers(|headers, _| set_cookies(headers))
        .on_headers(move |_, request| noting.note(request));
    Engine::new(config, Arc::new(Greeter(posts)))
}

fn set_cookies(headers: &mut HeaderMap) {
    for cookie in COOKIES {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
}

struct Greeter(Arc<Posts>);

impl Acceptor for Greeter {
    fn accept(&self, connection: Connection) -> Box<dyn Receiver> {
        self.0.open(connection.id());
        say(&connection, "hi");
        Box::new(Talk { connection, posts: self.0.clone() })
    }
}

struct Talk {
    connection: Connection,
    posts: Arc<Posts>,
}

impl Talk {
    /// By a task, for the headers of the request that asks for them are noted with its answer.
    #[expect(clippy::disallowed_methods, reason = "it is over at once, and need not be waited for")]
    fn say_headers(&self) {
        let (connection, posts) = (self.connection.clone(), self.posts.clone());
        tokio::spawn(async move { say(&connection, &posts.to_json(&connection.id())) });
    }
}

impl Receiver for Talk {
    fn receive(&mut self, message: Message<'_>) {
        let connection = &self.connection;
        match message {
            Message::Text(text) if text == "give binary" => {
                connection.send_binary(&[0, 1, 2, 3, 4], Guarantee::Reliable);
            }
            Message::Text(text) if text == "give utf8" => say(connection, "пойду спать всем спокойной ночи"),
            Message::Text(text) if text == "sendHeaders" => self.say_headers(),
            other => send_back(connection, other),
        }
    }

    fn closed(&mut self, _: Closed) {
        self.posts.close(&self.connection.id());
    }
}

fn say(connection: &Connection, text: &str) {
    connection.send_text(text.as_bytes(), &[], Guarantee::Reliable);
}
