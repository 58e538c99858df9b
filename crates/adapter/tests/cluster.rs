//! What the nodes of a cluster do for each other, on a simulated clock.

#![allow(clippy::disallowed_methods, reason = "nodes of a test end with it")]
#![allow(clippy::unwrap_used, reason = "a broken expectation is a failed test, in helpers too")]

mod conformance;

use std::sync::{Arc, Weak};
use std::time::Duration;

use sockeye_adapter::Selection;
use sockeye_adapter::cluster::{Answers, Broker, Cluster, ClusterSettings, Faults, Local, MemoryHub};
use tokio::time::{Instant, sleep};

use conformance::{Hub, Node, Recorder, conformance, event};

impl Hub for MemoryHub {
    async fn broker(&self) -> Arc<dyn Broker> {
        self.node()
    }
}

conformance! { tokio::test(start_paused = true), MemoryHub::new() }

/// Time for all that is under way to arrive.
async fn settle() {
    sleep(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_gone_is_waited_for_by_nobody() {
    let hub = MemoryHub::new();
    let (one, two) = (Node::silent(&hub, &[]).await, Node::silent(&hub, &["b"]).await);
    settle().await;
    drop(two);
    settle().await;
    let start = Instant::now();
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await, Answers::default());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn while_the_broker_is_away_nobody_waits_and_what_is_lost_is_counted() {
    let hub = MemoryHub::new();
    let (one, two) = (Node::silent(&hub, &[]).await, Node::silent(&hub, &["b"]).await);
    settle().await;
    hub.set_faults(Faults { away: true, ..Faults::default() });
    let start = Instant::now();
    one.cluster.broadcast("/", event("lost"));
    let found = one.cluster.fetch_sockets("/", Selection::all(), None).await;
    assert!(found.answers.is_empty() && found.missing.unknown);
    assert_eq!(start.elapsed(), Duration::ZERO);
    settle().await;
    assert_eq!(one.cluster.counts().lost, 2);

    hub.set_faults(Faults::default());
    one.cluster.broadcast("/", event("heard"));
    settle().await;
    assert_eq!(two.told(), [r#"/ "heard" 1 to []"#]);
}

#[tokio::test(start_paused = true)]
async fn nodes_that_are_cut_off_are_missing_until_they_are_back() {
    let hub = MemoryHub::new();
    let (one, two) = (Node::silent(&hub, &["a"]).await, Node::silent(&hub, &["b"]).await);
    settle().await;
    hub.set_faults(Faults { island: vec![two.cluster.id().clone()], ..Faults::default() });
    let found = one.cluster.fetch_sockets("/", Selection::all(), Some(Duration::from_secs(1))).await;
    assert_eq!((found.answers.len(), found.missing.others), (0, 1));
    hub.set_faults(Faults::default());
    assert_eq!(one.cluster.fetch_sockets("/", Selection::all(), None).await.answers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests_however_late_and_lossy_the_way_is() {
    let hub = MemoryHub::new();
    let (one, _two, _three) =
        (Node::silent(&hub, &[]).await, Node::answering(&hub, &["b"]).await, Node::answering(&hub, &["c"]).await);
    settle().await;
    hub.set_faults(Faults { delay: Duration::from_millis(800), loss: 0.2, ..Faults::default() });
    let (mut whole, mut partial) = (0, 0);
    for _ in 0..100 {
        let Answers { answers, missing } = one.cluster.server_side_ask("/", vec!["ask".into()], None).await;
        // Never one answer twice, never one of another request; and who is missing is told.
        assert_eq!(answers.len() + missing.others, 2);
        if missing.is_empty() { whole += 1 } else { partial += 1 }
    }
    assert!(whole > 10 && partial > 10, "{whole} whole, {partial} partial");
}

#[tokio::test(start_paused = true)]
async fn too_much_for_the_broker_is_lost_and_counted_and_what_fits_is_sent() {
    let hub = MemoryHub::new();
    let mut settings = ClusterSettings::default();
    settings.queue_limit = 10_000;
    let cluster = Cluster::new(hub.node(), settings);
    let two = Node::silent(&hub, &[]).await;
    for _ in 0..100 {
        cluster.broadcast("/", event(&"x".repeat(1000)));
    }
    let recorder = Arc::new(Recorder::default());
    let (run, local) = (cluster.clone(), Arc::downgrade(&recorder) as Weak<dyn Local>);
    let running = tokio::spawn(async move { drop(run.run(local).await) });
    settle().await;
    let (counts, told) = (cluster.counts(), two.told().len() as u64);
    assert!((5..10).contains(&counts.published), "{counts:?}");
    assert_eq!((counts.published + counts.lost, told), (100, counts.published));
    running.abort();
}
