//! A scripted polling client.

use std::net::SocketAddr;

use sockeye_engine::SessionId;

use super::{Answer, Pending, Request, Server};

pub(crate) struct Polling {
    pub(crate) address: SocketAddr,
    pub(crate) sid: SessionId,
    /// Path and query of all further requests.
    pub(crate) target: String,
}

impl Polling {
    pub(crate) fn open(server: &Server) -> Self {
        Self::open_with(server, "EIO=4")
    }

    pub(crate) fn open_with(server: &Server, query: &str) -> Self {
        let target = format!("/engine.io/?transport=polling&{query}");
        let answer = Request::get(&target).answer(server.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
        // A script has it in quotes of its own.
        let text = answer.text().replace('\\', "");
        let (_, after) = text.split_once(r#""sid":""#).unwrap();
        let sid = after[..20].parse().unwrap();
        Self { address: server.address, sid, target: format!("{target}&sid={sid}") }
    }

    /// Sends a poll; its answer comes when there is something.
    pub(crate) fn start_poll(&self) -> Pending {
        Request::get(&self.target).send(self.address)
    }

    pub(crate) fn poll(&self) -> Answer {
        self.start_poll().answer()
    }

    #[track_caller]
    pub(crate) fn expect(&self, payload: &str) {
        self.poll().check(200, payload);
    }

    pub(crate) fn post(&self, body: impl Into<Vec<u8>>) -> Answer {
        Request::post(&self.target, body).answer(self.address)
    }

    #[track_caller]
    pub(crate) fn send(&self, payload: &str) {
        self.post(payload).check(200, "ok");
    }

    /// The target of a WebSocket that wants to take the session over.
    pub(crate) fn upgrade_target(&self) -> String {
        self.target.replace("polling", "websocket")
    }
}
