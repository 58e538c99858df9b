use sockeye_adapter::{
    Room,
    cluster::{Message, NodeId},
};

use crate::wire::options::only_room;

/// The channels of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    broadcasts: String,
    requests: String,
    answers: String,
}

/// What came on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel<'a> {
    /// Broadcasts. To several rooms, to everybody, or to one room only: whoever has nobody there need not read it.
    Broadcasts {
        /// The only room.
        room: Option<&'a str>,
    },
    /// Requests.
    Requests,
    /// Answers.
    Answers,
}

impl Channels {
    /// The channels of `namespace`. `key` is what they begin with: `socket.io`, unless Node's servers set another `key`.
    pub fn new(key: &str, namespace: &str) -> Self {
        Self {
            broadcasts: format!("{key}#{namespace}#"),
            requests: format!("{key}-request#{namespace}#"),
            answers: format!("{key}-response#{namespace}#"),
        }
    }

    /// What `PSUBSCRIBE` takes for all broadcasts. What would be a pattern in the name of the namespace is escaped; Node
    /// forgets that.
    pub fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.broadcasts.len() + 1);
        for character in self.broadcasts.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    /// The channel of requests, which each node subscribes to: `PUBSUB NUMSUB` tells how many nodes there are.
    pub fn requests(&self) -> &str {
        &self.requests
    }

    /// The channel of answers, which each node subscribes to.
    pub fn answers(&self) -> &str {
        &self.answers
    }

    /// The channel of answers for one node, which subscribes to it. Nodes use it if they are set to
    /// `publishOnSpecificResponseChannel`.
    pub fn answers_for(&self, node: &NodeId) -> String {
        format!("{}{node}#", self.answers)
    }

    /// What comes on this channel, if it is one of these.
    pub fn recognize<'a>(&self, channel: &'a str) -> Option<Channel<'a>> {
        if channel.starts_with(&self.answers) {
            return Some(Channel::Answers);
        }
        if channel.starts_with(&self.requests) {
            return Some(Channel::Requests);
        }
        let room = channel.strip_prefix(&self.broadcasts)?;
        Some(Channel::Broadcasts { room: room.strip_suffix('#').filter(|room| !room.is_empty()) })
    }

    /// Where a message goes. An answer goes to `asker` alone if it is given; the answer to a server-side event never does.
    pub fn destination(&self, message: &Message, asker: Option<&NodeId>) -> String {
        match message {
            Message::Broadcast(broadcast) if broadcast.request.is_none() => {
                only_room(&broadcast.to).map_or_else(|| self.broadcasts.clone(), |room| self.of_room(room))
            }
            Message::ServerSideAnswer { .. } => self.answers.clone(),
            answer if answer.answers().is_some() => {
                asker.map_or_else(|| self.answers.clone(), |asker| self.answers_for(asker))
            }
            _ => self.requests.clone(),
        }
    }

    fn of_room(&self, room: &Room) -> String {
        format!("{}{room}#", self.broadcasts)
    }
}

#[cfg(test)]
mod tests {
    use sockeye_adapter::{Selection, cluster::Broadcast};

    use super::*;

    #[test]
    fn a_namespace_has_node_s_channels() {
        let channels = Channels::new("socket.io", "/chat");
        assert_eq!(channels.pattern(), "socket.io#/chat#*");
        assert_eq!(channels.requests(), "socket.io-request#/chat#");
        assert_eq!(channels.answers(), "socket.io-response#/chat#");
        assert_eq!(channels.answers_for(&"k3Fz0a".into()), "socket.io-response#/chat#k3Fz0a#");
    }

    #[test]
    fn a_pattern_means_its_namespace_and_no_other() {
        assert_eq!(Channels::new("my*", r"/a[1]?\").pattern(), r"my\*#/a\[1\]\?\\#*");
    }

    #[test]
    fn channels_are_recognized() {
        let channels = Channels::new("socket.io", "/");
        let of = |room| Some(Channel::Broadcasts { room });
        assert_eq!(channels.recognize("socket.io#/#"), of(None));
        assert_eq!(channels.recognize("socket.io#/#news#"), of(Some("news")));
        assert_eq!(channels.recognize("socket.io#/#a#b#"), of(Some("a#b")));
        assert_eq!(channels.recognize("socket.io#/##"), of(None));
        assert_eq!(channels.recognize("socket.io-request#/#"), Some(Channel::Requests));
        assert_eq!(channels.recognize("socket.io-response#/#"), Some(Channel::Answers));
        assert_eq!(channels.recognize("socket.io-response#/#k3Fz0a#"), Some(Channel::Answers));
        assert_eq!(channels.recognize("socket.io#/chat#"), None);
        assert_eq!(channels.recognize("socket.io"), None);
    }

    #[test]
    fn a_broadcast_to_one_room_has_that_room_s_channel() {
        let channels = Channels::new("socket.io", "/");
        let destination = |to: Selection| {
            channels.destination(&Message::Broadcast(Broadcast { to, ..Broadcast::new(vec!["x".into()]) }), None)
        };
        assert_eq!(destination(Selection::all()), "socket.io#/#");
        assert_eq!(destination(Selection::all().to("a")), "socket.io#/#a#");
        assert_eq!(destination(Selection::all().to(["a", "a"])), "socket.io#/#a#");
        assert_eq!(destination(Selection::all().to(["a", "b"])), "socket.io#/#");
        assert_eq!(destination(Selection::all().except("a")), "socket.io#/#");
    }
}
