//! Servers that are nodes of one cluster, here of one process.

use std::sync::Arc;

use parking_lot::Mutex;
use sockeye::{Answers, Data, MemoryHub, Replies, Room, ServerEvent, Socket};
use sockeye_adapter::RoomKind;
use sockeye_adapter::cluster::{BoxFuture, Broker, BrokerError, Inbox, Interest, NodeId, Outgoing};

use crate::support::{Client, Host, builder, notes, until, within};

async fn node(hub: &MemoryHub) -> Host {
    let host = Host::plain(builder().adapter(hub.node())).await;
    host.io.on("join", async |socket: Socket, Data(room): Data<String>| socket.join(room).map(Data));
    host
}

/// Two nodes with a client each, the one of the second in the room `x`.
async fn two(hub: &MemoryHub) -> ([Host; 2], [Client; 2]) {
    let nodes = [node(hub).await, node(hub).await];
    let (here, mut there) = (nodes[0].join().await, nodes[1].join().await);
    there.send(r#"421["join","x"]"#).await;
    there.expect("431[]").await;
    (nodes, [here, there])
}

#[tokio::test]
async fn events_reach_the_sockets_of_all_nodes_that_are_selected() {
    let hub = MemoryHub::new();
    let ([one, _two], [mut here, mut there]) = two(&hub).await;
    one.io.emit("all", ("text", [1, 2])).unwrap();
    here.expect(r#"42["all","text",[1,2]]"#).await;
    there.expect(r#"42["all","text",[1,2]]"#).await;
    one.io.to("x").emit("room", ()).unwrap();
    there.expect(r#"42["room"]"#).await;
    one.io.except("x").emit("others", bytes::Bytes::from_static(b"ab")).unwrap();
    here.expect(r#"451-["others",{"_placeholder":true,"num":0}]"#).await;
    here.expect_binary(b"ab").await;
    one.io.local().emit("here", ()).unwrap();
    here.expect(r#"42["here"]"#).await;
    there.expect_nothing().await;
}

#[tokio::test]
async fn sockets_of_other_nodes_are_found_moved_and_disconnected() {
    let hub = MemoryHub::new();
    let ([one, two], [_here, mut there]) = two(&hub).await;
    let found = within("the sockets", one.io.to("x").fetch_sockets()).await;
    let [socket] = &found.answers[..] else { panic!("{found:?}") };
    assert!(found.missing.is_empty() && socket.rooms().contains(&Room::new("x")));
    assert_eq!(socket.id(), two.io.sockets()[0].id());
    assert!(socket.handshake()["url"].as_str().unwrap().starts_with("/socket.io/"));

    socket.join("y");
    until("the socket in its room", || two.io.to("y").sockets().len() == 1).await;
    socket.emit("private", 1).unwrap();
    there.expect(r#"42["private",1]"#).await;
    socket.leave("y");
    until("the socket out of its room", || two.io.to("y").sockets().is_empty()).await;
    one.io.emit("last", ()).unwrap();
    socket.disconnect();
    there.expect(r#"42["last"]"#).await;
    there.expect("41").await;
}

#[tokio::test]
async fn clients_of_all_nodes_answer_one_question() {
    let hub = MemoryHub::new();
    let ([one, _two], [mut here, mut there]) = two(&hub).await;
    let asked = one.io.broadcast().emit_with_ack::<i32>("ask", ());
    for (client, answer) in [(&mut here, 1), (&mut there, 2)] {
        let (_, id) = client.asked().await;
        client.send(&format!("43{id}[{answer}]")).await;
    }
    let Replies { answers, missing, elsewhere } = within("the answers", asked).await.unwrap();
    assert_eq!((answers.len(), missing.len(), elsewhere.answers, elsewhere.missing), (1, 0, vec![2], 0));
}

#[tokio::test]
async fn servers_tell_and_ask_each_other() {
    let hub = MemoryHub::new();
    let (log, mut seen) = notes();
    let ([one, two], _clients) = two(&hub).await;
    let noted = log.clone();
    two.io.on_server_side("tell", move |event: ServerEvent| {
        let log = noted.clone();
        async move { log.note(event.read::<String>().unwrap()) }
    });
    two.io.on_server_side("ask", async |event: ServerEvent| {
        let (a, b): (i32, i32) = event.read().unwrap();
        event.answer(a + b).unwrap();
    });
    one.io.server_side_emit("tell", "something").unwrap();
    seen.expect("something").await;
    let Answers { answers, missing } =
        within("the answers", one.io.server_side_emit_with_ack::<i32>("ask", (1, 2))).await.unwrap();
    assert_eq!((answers, missing.is_empty()), (vec![3], true));
}

#[tokio::test]
async fn users_are_reached_on_every_node() {
    let hub = MemoryHub::new();
    let ([one, two], [_here, mut there]) = two(&hub).await;
    two.io.sockets()[0].set_user("42");
    one.io.user("42").emit("notice", "a parcel has come").unwrap();
    there.expect(r#"42["notice","a parcel has come"]"#).await;
}

/// A broker that wants to know which rooms somebody is in.
#[derive(Debug)]
struct Curious {
    broker: Arc<dyn Broker>,
    told: Mutex<Vec<String>>,
}

impl Interest for Curious {
    fn room_created(&self, namespace: &str, room: &Room, kind: RoomKind) {
        self.told.lock().push(format!("{namespace} + {room:?} {kind:?}"));
    }

    fn room_deleted(&self, namespace: &str, room: &Room, kind: RoomKind) {
        self.told.lock().push(format!("{namespace} - {room:?} {kind:?}"));
    }
}

impl Broker for Curious {
    fn node(&self) -> &NodeId {
        self.broker.node()
    }

    fn start(&self, inbox: Inbox) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.broker.start(inbox)
    }

    fn enter(&self, namespace: &str) {
        self.broker.enter(namespace);
    }

    fn leave(&self, namespace: &str) {
        self.broker.leave(namespace);
    }

    fn publish<'a>(&'a self, messages: &'a [Outgoing]) -> BoxFuture<'a, Vec<Result<(), BrokerError>>> {
        self.broker.publish(messages)
    }

    fn count_nodes<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<usize, BrokerError>> {
        self.broker.count_nodes(namespace)
    }

    fn interest(&self) -> Option<&dyn Interest> {
        Some(self)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.broker.close()
    }
}

#[tokio::test]
async fn a_broker_is_told_of_the_rooms_of_joins_sockets_and_users() {
    let curious = Arc::new(Curious { broker: MemoryHub::new().node(), told: Mutex::default() });
    let host = Host::plain(builder().adapter(curious.clone() as Arc<dyn Broker>)).await;
    let watched = Arc::new(Mutex::new(Vec::new()));
    let notes = watched.clone();
    host.io.on_room(move |event| notes.lock().push(event.room().clone()));
    let _client = host.join().await;
    let socket = host.io.sockets()[0].clone();
    socket.join("x").unwrap();
    socket.set_user("42");
    socket.leave("x");
    socket.disconnect();
    until("the socket is gone", || curious.told.lock().len() == 6).await;
    let (user, id) = (Room::of_user("42"), socket.id());
    assert_eq!(
        *curious.told.lock(),
        [
            format!("/ + {id:?} SocketId"),
            r#"/ + "x" Joined"#.to_owned(),
            format!("/ + {user:?} User"),
            r#"/ - "x" Joined"#.to_owned(),
            format!("/ - {user:?} User"),
            format!("/ - {id:?} SocketId"),
        ]
    );
    assert!(!watched.lock().is_empty() && !watched.lock().contains(&user));
}

#[test]
fn a_node_needs_a_runtime() {
    let error = builder().adapter(MemoryHub::new().node()).build().unwrap_err().to_string();
    assert_eq!(error, "`adapter` needs a Tokio runtime: call `build` on the one that is to serve");
}
