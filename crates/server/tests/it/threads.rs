//! Under a runtime of several threads that steal work from each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye::{Data, Extension, Socket, State};

use crate::support::{Host, Notes, builder, notes, within};

#[tokio::test]
async fn events_start_in_order_and_answers_come_for_all() {
    let (log, mut seen) = notes();
    let host = Host::stealing(builder().state(log)).await;
    host.io.on("n", async |State(log): State<Notes>, Data(number): Data<u64>| {
        log.note(number);
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
        number
    });
    let mut client = host.join().await;
    let packets: Vec<String> = (0..2_000).map(|number| format!(r#"42{number}["n",{number}]"#)).collect();
    for some in packets.chunks(61) {
        client.send_all(some).await;
    }
    for number in 0..2_000 {
        seen.expect(&number.to_string()).await;
    }
    let mut answers = Vec::new();
    for _ in 0..2_000 {
        answers.push(client.text().await);
    }
    answers.sort();
    let mut expected: Vec<String> = (0..2_000).map(|number| format!("43{number}[{number}]")).collect();
    expected.sort();
    assert_eq!(answers, expected);
}

#[tokio::test]
async fn what_one_thread_emits_arrives_in_order_whoever_else_emits() {
    for host in [Host::plain(builder()).await, Host::stealing(builder()).await] {
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(host.join().await);
        }
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let io = host.io.clone();
                std::thread::spawn(move || (0..500).for_each(|number| io.emit("n", (thread, number)).unwrap()))
            })
            .collect();
        for client in &mut clients {
            let mut next = [0; 4];
            for _ in 0..4 * 500 {
                let text = client.text().await;
                let arguments = text.strip_prefix(r#"42["n","#).and_then(|rest| rest.strip_suffix(']')).unwrap();
                let (thread, number) = arguments.split_once(',').unwrap();
                let next = &mut next[thread.parse::<usize>().unwrap()];
                assert_eq!(number.parse::<i32>().unwrap(), *next);
                *next += 1;
            }
            client.expect_nothing().await;
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[tokio::test]
async fn clients_that_come_and_go_leave_nothing() {
    const CLIENTS: usize = 40;
    let host = Host::stealing(builder()).await;
    let (came, went) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = came.clone();
    host.io.on_connect(move |socket: Socket| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { socket.join(["a", "b"]) }
    });
    let counted = went.clone();
    host.io.on_disconnect(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let clients = within("all clients", futures_util::future::join_all((0..CLIENTS).map(|_| host.join()))).await;
    let visits = clients.into_iter().enumerate().map(|(number, client)| {
        let host = &host;
        async move {
            host.io.to("a").emit("hello", number).unwrap();
            match number % 4 {
                0 => client.close().await,
                1 => client.abort(),
                2 => host.io.sockets().first().into_iter().for_each(Socket::disconnect),
                _ => host.io.sockets().last().into_iter().for_each(Socket::close),
            }
        }
    });
    within("all farewells", futures_util::future::join_all(visits)).await;
    host.io.broadcast().close_sockets();
    let gone = || went.load(Ordering::Relaxed) == CLIENTS && host.io.connection_count() == 0;
    crate::support::until("all have gone", gone).await;
    assert_eq!((came.load(Ordering::Relaxed), host.io.socket_count()), (CLIENTS, 0));
    assert!(host.io.rooms().is_empty());
}

/// What the connect handler knows of a socket.
#[derive(Clone)]
struct Name(&'static str);

#[tokio::test]
async fn no_event_starts_before_the_connect_handlers_whatever_the_middleware_waits_for() {
    let host = Host::stealing(builder()).await;
    host.io.middleware(async || tokio::time::sleep(Duration::from_millis(2)).await);
    host.io.on_connect(async |socket: Socket| {
        // Long enough for an event of a client that answers the CONNECT at once.
        std::thread::sleep(Duration::from_millis(20));
        socket.extensions().insert(Name("known"));
    });
    host.io.on("who", async |name: Option<Extension<Name>>| name.map(|Extension(name)| name.0));
    for _ in 0..10 {
        let mut client = host.join().await;
        client.send(r#"421["who"]"#).await;
        client.expect(r#"431["known"]"#).await;
    }
}
