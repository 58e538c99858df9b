//! Who receives what.

use sockeye::{JoinError, Room, Socket, SocketId};

use crate::support::{Client, Host, builder, until};

struct Crowd {
    host: Host,
    clients: Vec<Client>,
    sockets: Vec<Socket>,
}

/// As many clients as there are lists, each in the rooms of its list.
async fn crowd(rooms: &[&[&str]]) -> Crowd {
    let host = Host::plain(builder()).await;
    let (mut clients, mut sockets) = (Vec::new(), Vec::new());
    for joined in rooms {
        let mut client = host.open().await;
        let id = client.join("/").await;
        let socket = host.io.socket(&id).unwrap();
        socket.join(*joined).unwrap();
        clients.push(client);
        sockets.push(socket);
    }
    Crowd { host, clients, sockets }
}

impl Crowd {
    /// These clients must get the event, once, and the others nothing.
    async fn check(&mut self, what: &str, expected: &[usize]) {
        for (number, client) in self.clients.iter_mut().enumerate() {
            client.settle().await;
            let mut got = 0;
            self.sockets[number].emit("marker", ()).unwrap();
            while client.text().await != r#"42["marker"]"# {
                got += 1;
            }
            assert_eq!(got, usize::from(expected.contains(&number)), "{what}: client {number}");
        }
    }
}

#[tokio::test]
async fn a_broadcast_goes_to_the_union_of_its_rooms_without_the_excepted_each_once() {
    let mut crowd = crowd(&[&["a"], &["a", "b"], &["b", "c"], &[]]).await;
    let io = crowd.host.io.clone();
    let id = |number: usize| crowd.sockets[number].id().clone();
    let ids = [id(0), id(1), id(2), id(3)];
    let emits: [(&str, sockeye::Broadcast, &[usize]); 16] = [
        ("all", io.broadcast(), &[0, 1, 2, 3]),
        ("a", io.to("a"), &[0, 1]),
        ("within a", io.within("a"), &[0, 1]),
        ("a and b", io.to("a").to("b"), &[0, 1, 2]),
        ("[a, b]", io.to(["a", "b"]), &[0, 1, 2]),
        ("b without a", io.to("b").except("a"), &[2]),
        ("all without a", io.except("a"), &[2, 3]),
        ("all without a and c", io.except(["a", "c"]), &[3]),
        ("nowhere", io.to("nowhere"), &[]),
        ("no rooms", io.to(Vec::<Room>::new()), &[]),
        ("except nowhere", io.except("nowhere"), &[0, 1, 2, 3]),
        ("one id", io.to(&ids[3]), &[3]),
        ("an id and its room", io.to(&ids[0]).to("a"), &[0, 1]),
        ("except an id", io.to("a").except(ids[1].clone()), &[0]),
        ("local", io.local(), &[0, 1, 2, 3]),
        ("a id as text", io.to(ids[2].as_str()), &[2]),
    ];
    for (what, broadcast, expected) in emits {
        broadcast.emit("e", what).unwrap();
        crowd.check(what, expected).await;
    }
}

#[tokio::test]
async fn a_sockets_broadcast_leaves_itself_out() {
    let mut crowd = crowd(&[&["a"], &["a", "b"], &["b"]]).await;
    let sender = crowd.sockets[0].clone();
    let emits: [(&str, sockeye::Broadcast, &[usize]); 7] = [
        ("broadcast", sender.broadcast(), &[1, 2]),
        ("to a", sender.to("a"), &[1]),
        ("within a and b", sender.within("a").to("b"), &[1, 2]),
        ("except b", sender.except("b"), &[]),
        ("to itself", sender.to(sender.id()), &[]),
        ("local", sender.local(), &[1, 2]),
        ("to another", sender.to(crowd.sockets[2].id()), &[2]),
    ];
    for (what, broadcast, expected) in emits {
        broadcast.emit("e", what).unwrap();
        crowd.check(what, expected).await;
    }
    sender.emit("e", "to itself").unwrap();
    crowd.check("emit", &[0]).await;
}

#[tokio::test]
async fn operators_are_values_of_their_own() {
    let mut crowd = crowd(&[&["a"], &["b"]]).await;
    let io = crowd.host.io.clone();
    let to_a = io.to("a");
    let _unused = to_a.clone().to("b").volatile();
    to_a.emit("e", ()).unwrap();
    crowd.check("a alone", &[0]).await;
    io.emit("e", ()).unwrap();
    crowd.check("everybody", &[0, 1]).await;
}

#[tokio::test]
async fn a_namespace_is_a_world_of_its_own() {
    let host = Host::plain(builder()).await;
    let admin = host.io.of("/admin");
    let mut client = host.open().await;
    client.join("/").await;
    let id = client.join("/admin").await;
    admin.socket(&id).unwrap().join("room").unwrap();
    host.io.to("room").emit("e", ()).unwrap();
    host.io.to(id.as_str()).emit("e", ()).unwrap();
    client.expect_nothing().await;
    admin.to("room").emit("e", 1).unwrap();
    client.expect(r#"42/admin,["e",1]"#).await;
}

#[tokio::test]
async fn a_socket_joins_and_leaves() {
    let crowd = crowd(&[&[]]).await;
    let (io, socket) = (&crowd.host.io, &crowd.sockets[0]);
    let own = Room::from(socket.id().clone());
    assert_eq!(socket.rooms(), std::slice::from_ref(&own));
    socket.join(["a", "b", "a"]).unwrap();
    socket.join("a").unwrap();
    assert_eq!(socket.rooms(), [own.clone(), "a".into(), "b".into()]);
    assert_eq!(io.rooms().len(), 2);
    socket.leave("a");
    socket.leave("nowhere");
    socket.leave(socket.id());
    assert_eq!(socket.rooms(), [own.clone(), "b".into()]);
    assert_eq!(io.rooms(), [Room::from("b")]);
    socket.leave_all();
    assert_eq!(socket.rooms(), [own]);
    assert!(io.rooms().is_empty());
}

#[tokio::test]
async fn rooms_are_left_at_the_disconnect_and_not_joined_afterwards() {
    for end in 0..4 {
        let Crowd { host, mut clients, sockets } = crowd(&[&["a", "b"], &["b"]]).await;
        let (mut client, socket) = (clients.remove(0), sockets[0].clone());
        match end {
            0 => client.close().await,
            1 => client.send("41").await,
            2 => socket.disconnect(),
            _ => socket.close(),
        }
        until("the socket has gone", || host.io.socket_count() == 1).await;
        assert_eq!(socket.join("a"), Ok(()));
        assert_eq!((socket.rooms(), host.io.rooms()), (vec![], vec![Room::from("b")]));
        assert!(host.io.socket(socket.id()).is_none() && !socket.is_connected());
        assert_eq!(host.io.to("b").sockets(), [sockets[1].clone()]);
    }
}

#[tokio::test]
async fn a_socket_can_be_in_so_many_rooms_and_no_more() {
    let host = Host::plain(builder().max_rooms(2)).await;
    let mut client = host.open().await;
    let id = client.join("/").await;
    let socket = host.io.socket(SocketId::new(id)).unwrap();
    assert_eq!(socket.join(["a", "b", "c"]), Err(JoinError::TooManyRooms { room: "c".into(), limit: 2 }));
    assert_eq!(socket.rooms().len(), 3);
    socket.leave("a");
    socket.join("c").unwrap();
}

#[tokio::test]
async fn whole_rooms_join_leave_and_are_disconnected() {
    let mut crowd = crowd(&[&["a"], &["a"], &["b"]]).await;
    let io = crowd.host.io.clone();
    io.to("a").sockets_join("c");
    io.to("c").emit("e", ()).unwrap();
    crowd.check("c", &[0, 1]).await;
    io.to("c").except(crowd.sockets[0].id()).sockets_leave(["a", "c"]);
    io.to("c").emit("e", ()).unwrap();
    crowd.check("c without 1", &[0]).await;
    io.to("b").disconnect_sockets();
    crowd.clients[2].expect("41").await;
    crowd.clients[2].expect_nothing().await;
    io.to("a").close_sockets();
    assert_eq!(crowd.clients[0].rest().await, ["41"]);
    crowd.clients[1].expect_nothing().await;
    assert_eq!(io.socket_count(), 1);
}

#[tokio::test]
async fn emits_from_a_thread_without_a_runtime_arrive() {
    for host in Host::each(builder).await {
        let mut client = host.open().await;
        let id = client.join("/").await;
        let io = host.io.clone();
        std::thread::spawn(move || {
            let socket = io.socket(&id).unwrap();
            socket.join("room").unwrap();
            for number in 0..100 {
                io.to("room").emit("n", number).unwrap();
                socket.emit("n", number).unwrap();
            }
        });
        for number in 0..100 {
            client.expect(&format!(r#"42["n",{number}]"#)).await;
            client.expect(&format!(r#"42["n",{number}]"#)).await;
        }
    }
}
