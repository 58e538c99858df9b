use sockeye_adapter::{
    Room, SocketId,
    cluster::{Message, NodeId},
};

use super::options::only_room;

/// Whether rooms have channels of their own. All servers of a cluster must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionMode {
    /// None has.
    Static,
    /// All have, but for those of socket ids.
    #[default]
    Dynamic,
    /// All have.
    DynamicPrivate,
}

/// The channels of a namespace, in the sharded format and beside streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    all: String,
    mode: SubscriptionMode,
}

impl Channels {
    /// The channels of `namespace`. `prefix` is what they begin with: `socket.io`, unless Node's servers set another
    /// `channelPrefix`. Beside streams the mode is [`Static`](SubscriptionMode::Static).
    pub fn new(prefix: &str, namespace: &str, mode: SubscriptionMode) -> Self {
        Self { all: format!("{prefix}#{namespace}#"), mode }
    }

    /// The channel that each node subscribes to: `PUBSUB SHARDNUMSUB`, or `NUMSUB`, tells how many nodes there are.
    pub fn all(&self) -> &str {
        &self.all
    }

    /// The channel of answers for one node, which subscribes to it.
    pub fn answers_for(&self, node: &NodeId) -> String {
        format!("{}{node}#", self.all)
    }

    /// What a node subscribes to as long as it has a socket that joined this room.
    pub fn of_room(&self, room: &Room) -> Option<String> {
        (self.mode != SubscriptionMode::Static).then(|| self.own(room.as_str()))
    }

    /// What a node subscribes to as long as it has this socket.
    pub fn of_socket(&self, socket: &SocketId) -> Option<String> {
        (self.mode == SubscriptionMode::DynamicPrivate).then(|| self.own(socket.as_str()))
    }

    /// Where a message goes that is no answer.
    ///
    /// The sender can't know whether a room is that of a socket's id: each room with a name of 20 characters is taken for
    /// one, as in Node.
    pub fn destination(&self, message: &Message) -> String {
        let room = match message {
            Message::Broadcast(broadcast) if broadcast.request.is_none() => only_room(&broadcast.to),
            _ => None,
        };
        let has_channel = |room: &&Room| match self.mode {
            SubscriptionMode::Static => false,
            SubscriptionMode::Dynamic => !looks_like_a_socket_id(room),
            SubscriptionMode::DynamicPrivate => true,
        };
        room.filter(has_channel).map_or_else(|| self.all.clone(), |room| self.own(room.as_str()))
    }

    fn own(&self, room: &str) -> String {
        format!("{}{room}#", self.all)
    }
}

fn looks_like_a_socket_id(room: &Room) -> bool {
    room.as_str().encode_utf16().count() == 20
}

#[cfg(test)]
mod tests {
    use sockeye_adapter::{Selection, cluster::Broadcast};

    use super::*;

    fn channels(mode: SubscriptionMode) -> Channels {
        Channels::new("socket.io", "/chat", mode)
    }

    #[track_caller]
    fn check(mode: SubscriptionMode, to: Selection, destination: &str) {
        let broadcast = Broadcast { to, ..Broadcast::new(vec!["x".into()]) };
        assert_eq!(channels(mode).destination(&Message::Broadcast(broadcast.clone())), destination);
        let asking = Broadcast { request: Some("r".into()), ..broadcast };
        assert_eq!(channels(mode).destination(&Message::Broadcast(asking)), "socket.io#/chat#");
    }

    #[test]
    fn a_broadcast_to_one_room_has_that_room_s_channel_if_the_mode_gives_it_one() {
        use SubscriptionMode::{Dynamic, DynamicPrivate, Static};
        let all = "socket.io#/chat#";
        check(Static, Selection::all().to("a"), all);
        check(Dynamic, Selection::all().to("a"), "socket.io#/chat#a#");
        check(Dynamic, Selection::all().to("a").except("b"), "socket.io#/chat#a#");
        check(Dynamic, Selection::all().to(["a", "b"]), all);
        check(Dynamic, Selection::all().except("a"), all);
        check(Dynamic, Selection::all(), all);
        check(Dynamic, Selection::all().to("twenty characters 20"), all);
        check(Dynamic, Selection::all().to("ten emoji".repeat(2) + "😀"), all);
        check(Dynamic, Selection::all().to("😀".repeat(10)), all);
        check(DynamicPrivate, Selection::all().to("twenty characters 20"), "socket.io#/chat#twenty characters 20#");
    }

    #[test]
    fn rooms_and_sockets_are_subscribed_to_by_mode() {
        let (room, socket) = (Room::new("twenty characters 20"), SocketId::new("Yd8mfSIUa1pK3cmaAAAB"));
        let of = |mode| {
            let channels = channels(mode);
            (channels.of_room(&room).is_some(), channels.of_socket(&socket).is_some())
        };
        assert_eq!(of(SubscriptionMode::Static), (false, false));
        assert_eq!(of(SubscriptionMode::Dynamic), (true, false));
        assert_eq!(of(SubscriptionMode::DynamicPrivate), (true, true));
        let channels = channels(SubscriptionMode::default());
        assert_eq!(channels.of_room(&"a".into()).as_deref(), Some("socket.io#/chat#a#"));
        assert_eq!(channels.answers_for(&"0123456789abcdef".into()), "socket.io#/chat#0123456789abcdef#");
    }
}
