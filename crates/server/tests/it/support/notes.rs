use std::fmt::Display;

use tokio::sync::mpsc;

use super::within;

/// Where handlers note what they saw. Given to them as `State<Notes>`.
#[derive(Clone)]
pub struct Notes(mpsc::Sender<String>);

/// What handlers have noted, in order.
pub struct Seen(mpsc::Receiver<String>);

pub fn notes() -> (Notes, Seen) {
    let (sender, receiver) = mpsc::channel(100_000);
    (Notes(sender), Seen(receiver))
}

impl Notes {
    pub fn note(&self, text: impl Display) {
        // The test may have ended.
        let _ = self.0.try_send(text.to_string());
    }
}

impl Seen {
    pub async fn next(&mut self) -> String {
        within("a note of a handler", self.0.recv()).await.expect("the handlers are gone")
    }

    #[track_caller]
    pub fn expect(&mut self, text: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move { assert_eq!(self.next().await, text, "at {caller}") }
    }

    /// What has been noted until now.
    pub fn so_far(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}
