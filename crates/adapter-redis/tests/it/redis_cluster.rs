//! Both ways of pub/sub over a Redis Cluster of three masters.

use std::sync::Arc;

use sockeye_adapter::cluster::{Broadcast, Broker};
use sockeye_adapter::{RoomKind, Selection};
use sockeye_redis::wire::sharded::SubscriptionMode;
use sockeye_redis::{RedisAdapter, ShardedRedisAdapter};

use crate::conformance::{Hub, Node, all_hear, conformance, event, eventually};
use crate::support::redis_server::RedisServer;

struct Cluster {
    masters: [RedisServer; 3],
    /// Sharded, if there is one.
    mode: Option<SubscriptionMode>,
}

impl Cluster {
    async fn start(mode: Option<SubscriptionMode>) -> Self {
        Self { masters: RedisServer::cluster().await, mode }
    }

    fn addresses(&self) -> Vec<String> {
        self.masters.iter().map(RedisServer::address).collect()
    }
}

impl Hub for Cluster {
    async fn broker(&self) -> Arc<dyn Broker> {
        let Some(mode) = self.mode else {
            return RedisAdapter::connect_cluster(self.addresses()).await.unwrap().into();
        };
        let adapter = ShardedRedisAdapter::builder().subscription_mode(mode);
        adapter.connect_cluster(self.addresses()).await.unwrap().into()
    }
}

mod classic {
    use super::{Cluster, conformance};
    conformance! { tokio::test, Cluster::start(None).await }
}

mod sharded {
    use super::{Cluster, SubscriptionMode, conformance};
    conformance! { tokio::test, Cluster::start(Some(SubscriptionMode::Static)).await }
}

#[tokio::test]
async fn rooms_are_heard_on_all_shards() {
    let hub = Cluster::start(Some(SubscriptionMode::Dynamic)).await;
    let (one, two) = (Node::start(&hub).await, Node::start(&hub).await);
    all_hear("/", &[&one, &two]).await;
    let rooms: Vec<_> = (0..50).map(|number| format!("room {number}")).collect();
    for room in &rooms {
        two.broker.interest().unwrap().room_created("/", &room.as_str().into(), RoomKind::Joined);
    }
    // Subscribing has no order here.
    for room in &rooms {
        let to = Broadcast { to: Selection::all().to(room.as_str()), ..event(room) };
        let is_heard = async || {
            one.cluster.broadcast("/", to.clone());
            one.cluster.flushed().await;
            two.recorder.told.lock().iter().any(|told| told.contains(&format!("{room:?}")))
        };
        eventually(room, is_heard).await;
    }
    assert_eq!(one.cluster.counts().lost, 0);
}

#[tokio::test]
async fn a_channel_that_moves_to_another_master_is_followed() {
    let hub = Cluster::start(Some(SubscriptionMode::Static)).await;
    let (one, two) = (Node::start(&hub).await, Node::start(&hub).await);
    all_hear("/", &[&one, &two]).await;
    let slot: u16 = hub.masters[0].run(&["CLUSTER", "KEYSLOT", "socket.io#/#"]).await;
    let from = usize::from(slot) * 3 / 16_384;
    let to = &hub.masters[(from + 1) % 3];
    let id: String = to.run(&["CLUSTER", "MYID"]).await;
    let () = to.run(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]).await;
    let () = to.run(&["CLUSTER", "BUMPEPOCH"]).await;
    for master in &hub.masters {
        let () = master.run(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]).await;
    }
    let is_heard = async || {
        one.cluster.broadcast("/", event("after"));
        !two.recorder.told.lock().is_empty()
    };
    eventually("it is heard again", is_heard).await;
    all_hear("/", &[&one, &two]).await;
}

#[tokio::test]
async fn a_master_that_was_away_is_used_again() {
    for mode in [None, Some(SubscriptionMode::Static)] {
        let mut hub = Cluster::start(mode).await;
        let (one, two) = (Node::start(&hub).await, Node::start(&hub).await);
        all_hear("/", &[&one, &two]).await;
        for master in &mut hub.masters {
            master.kill();
            master.restart().await;
        }
        let is_heard = async || {
            one.cluster.broadcast("/", event("after"));
            !two.recorder.told.lock().is_empty()
        };
        eventually("it is heard again", is_heard).await;
        all_hear("/", &[&one, &two]).await;
    }
}

#[tokio::test]
async fn one_who_takes_a_cluster_for_a_single_redis_is_told_so_and_the_other_way_round() {
    let hub = Cluster::start(None).await;
    let address = hub.masters[0].address();
    for error in [
        RedisAdapter::connect(address.as_str()).await.unwrap_err().to_string(),
        ShardedRedisAdapter::connect(address.as_str()).await.unwrap_err().to_string(),
    ] {
        assert!(error.contains("is a node of a Redis Cluster: use `connect_cluster`"), "{error}");
    }
    let single = RedisServer::start().await;
    let error = RedisAdapter::connect_cluster([single.address()]).await.unwrap_err().to_string();
    assert!(error.contains("it is no Redis Cluster: use `connect`"), "{error}");
    let nobody = format!("redis://127.0.0.1:{}", crate::support::redis_server::free_port());
    let error = RedisAdapter::connect_cluster([nobody]).await.unwrap_err().to_string();
    assert!(error.contains("is Redis running there?"), "{error}");
}
