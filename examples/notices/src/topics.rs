//! What one may follow. A topic is a room; being in it is following it.

/// All topics there are.
pub(crate) const TOPICS: [&str; 3] = ["canteen", "trains", "weather"];

pub(crate) fn exists(topic: &str) -> bool {
    TOPICS.contains(&topic)
}

/// The room of all who follow a topic.
pub(crate) fn room(topic: &str) -> String {
    format!("topic:{topic}")
}
