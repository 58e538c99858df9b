//! More events in a time than one socket may send.

use std::time::Duration;

use sockeye::{
    CloseCause, Data, DisconnectReason, EventRate, MessagePackParser, Namespace, Overrun, State, TooManyEvents,
};

use crate::support::{Host, Notes, builder, notes, within};

/// Three at once, and the next one in a time that no test waits for.
const THREE: EventRate = EventRate::per_second(1).burst(3);

fn note_events(namespace: &Namespace) {
    namespace.on("event", async |State(log): State<Notes>, Data(number): Data<usize>| {
        log.note(number);
        number
    });
}

#[tokio::test]
async fn events_beyond_the_rate_reach_no_handler_and_get_no_ack() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().event_rate(THREE).state(log.clone())).await;
    note_events(&host.io);
    host.io.on_error(move |failure| {
        let error = failure.error.downcast_ref::<TooManyEvents>().unwrap();
        log.note(format!("{} refused, {} an ack: {error}", failure.event, failure.ack.is_some()));
    });
    let mut client = host.join().await;
    client.send_all((0..5).map(|number| format!(r#"42{number}["event",{number}]"#))).await;
    for number in 0..3 {
        seen.expect(&number.to_string()).await;
        client.expect(&format!("43{number}[{number}]")).await;
    }
    let told =
        "event refused, true an ack: more than 1 events a second, or 3 at once, the most that `event_rate` allows";
    seen.expect(told).await;
    seen.expect(told).await;
    client.expect_nothing().await;
    assert_eq!(host.io.metrics().bounds.of("event_rate"), 2);
}

#[tokio::test]
async fn the_error_hook_may_answer_who_sends_too_much() {
    let (log, _) = notes();
    let host = Host::plain(builder().event_rate(THREE.burst(1)).state(log)).await;
    note_events(&host.io);
    host.io.on_error(|failure| failure.ack.unwrap().send("slower").unwrap());
    let mut client = host.join().await;
    client.send_all([r#"420["event",7]"#, r#"421["event",7]"#]).await;
    client.expect("430[7]").await;
    client.expect(r#"431["slower"]"#).await;
}

#[tokio::test]
async fn others_and_other_sockets_of_the_connection_are_not_harmed() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().event_rate(THREE).state(log)).await;
    note_events(&host.io);
    note_events(&host.io.of("/x"));
    let (mut client, mut other) = (host.join().await, host.join().await);
    client.join("/x").await;
    client.send_all([r#"42["event",1]"#; 10]).await;
    for _ in 0..3 {
        seen.expect("1").await;
    }
    client.send(r#"42/x,["event",2]"#).await;
    seen.expect("2").await;
    other.send(r#"42["event",3]"#).await;
    seen.expect("3").await;
    // Answers are no events.
    let asked = host.io.broadcast().emit_with_ack::<i32>("ask", ());
    for client in [&mut client, &mut other] {
        let (_, id) = client.asked().await;
        client.send(&format!("43{id}[1]")).await;
    }
    assert_eq!(within("the answers", asked).await.unwrap().answers.len(), 2);
    assert_eq!(seen.so_far(), Vec::<String>::new());
}

#[tokio::test]
async fn time_brings_events_back() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().event_rate(EventRate::per_second(20).burst(1)).state(log)).await;
    note_events(&host.io);
    let mut client = host.join().await;
    for number in 0..3 {
        client.send(&format!(r#"42["event",{number}]"#)).await;
        seen.expect(&number.to_string()).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}

#[tokio::test]
async fn a_client_beyond_the_rate_is_disconnected_if_that_was_chosen() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().event_rate(THREE.then(Overrun::Closed)).state(log)).await;
    note_events(&host.io);
    host.io.on_disconnect(async |State(log): State<Notes>, reason: DisconnectReason, cause: CloseCause| {
        log.note(format!("{reason} {cause:?}"));
    });
    let (mut client, mut other) = (host.join().await, host.join().await);
    client.send_all((0..10).map(|number| format!(r#"42["event",{number}]"#))).await;
    for number in 0..3 {
        seen.expect(&number.to_string()).await;
    }
    seen.expect("forced server close Flood").await;
    client.expect_closed().await;
    other.send(r#"42["event",9]"#).await;
    seen.expect("9").await;
    let metrics = host.io.metrics();
    assert_eq!((metrics.bounds.of("event_rate"), metrics.closed.of("flood")), (1, 1));
}

#[tokio::test]
async fn messagepack_is_measured_too() {
    let (log, mut seen) = notes();
    let host = Host::plain(builder().parser(MessagePackParser).event_rate(THREE).state(log)).await;
    note_events(&host.io);
    let mut client = host.open().await;
    client.send_binary(b"\x83\xa4type\x00\xa4data\xd4\x00\x00\xa3nsp\xa1/").await;
    client.next_binary().await;
    for number in 0..5 {
        let event = [b"\x83\xa4type\x02\xa4data\x92\xa5event", &[number][..], b"\xa3nsp\xa1/"].concat();
        client.send_binary(&event).await;
    }
    for number in 0..3 {
        seen.expect(&number.to_string()).await;
    }
    client.expect_nothing().await;
    assert_eq!((seen.so_far(), host.io.metrics().bounds.of("event_rate")), (Vec::new(), 2));
}

#[test]
fn a_rate_of_zero_is_an_error() {
    for (rate, setting) in [(EventRate::per_second(0), "per_second"), (EventRate::per_second(1).burst(0), "burst")] {
        let error = builder().event_rate(rate).build().unwrap_err();
        assert_eq!(error.to_string(), format!("`event_rate.{setting}` is zero: expected at least 1"));
    }
}
