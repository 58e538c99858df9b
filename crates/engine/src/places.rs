//! How many sessions there may be, in all and from one address.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;
use sockeye_protocol::engine::Refusal;

use crate::metrics::Bounds;

/// The places for sessions. A session has one from before the application is asked about it until nothing knows it any more.
pub(crate) struct Places {
    most: Option<usize>,
    most_per_address: Option<usize>,
    taken: AtomicUsize,
    by_network: Mutex<HashMap<Network, usize, RandomState>>,
}

/// The place of one session, given back when this is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    network: Option<Network>,
}

/// What counts as one address: for IPv6 the 64 bits that one subscriber gets, who can make up the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(IpAddr);

impl Network {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl Places {
    pub(crate) fn new(most: Option<usize>, most_per_address: Option<usize>) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, taken: AtomicUsize::new(0), by_network: Mutex::default() })
    }

    /// A place for a session from this address, as far as it is known yet; `None` if nothing limits them.
    ///
    /// # Errors
    /// The refusal when all places are taken.
    pub(crate) fn take(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        bounds: &Bounds,
    ) -> Result<Option<Box<Place>>, Refusal> {
        if self.most.is_none() && self.most_per_address.is_none() {
            return Ok(None);
        }
        let most = self.most.unwrap_or(usize::MAX);
        let one_more = |taken: usize| (taken < most).then_some(taken + 1);
        if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            bounds.max_connections.add();
            tracing::debug!(limit = most, "`max_connections` are open: a further one is refused");
            return Err(Refusal::TooManyConnections);
        }
        let mut place = Box::new(Place { places: self.clone(), network: None });
        if let Some(address) = address {
            place.come_from(address, bounds)?;
        }
        Ok(Some(place))
    }
}

impl Place {
    /// The session comes from this address, if none has been told before.
    ///
    /// # Errors
    /// The refusal when that address has all its places taken.
    pub(crate) fn come_from(&mut self, address: IpAddr, bounds: &Bounds) -> Result<(), Refusal> {
        let Some(most) = self.places.most_per_address.filter(|_| self.network.is_none()) else { return Ok(()) };
        let network = Network::of(address);
        let mut by_network = self.places.by_network.lock();
        let taken = by_network.get(&network).copied().unwrap_or_default();
        if taken >= most {
            drop(by_network);
            bounds.max_connections_per_address.add();
            tracing::debug!(%address, limit = most, "`max_connections_per_address` are open: a further one is refused");
            return Err(Refusal::TooManyConnections);
        }
        by_network.insert(network, taken + 1);
        self.network = Some(network);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        let Some(network) = self.network else { return };
        let mut by_network = self.places.by_network.lock();
        match by_network.get_mut(&network) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(by_network.remove(&network)),
        }
        if by_network.capacity() > 1024 && by_network.len() < by_network.capacity() / 8 {
            by_network.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_come(places: &Arc<Places>, address: &str) -> Option<Box<Place>> {
        places.take(Some(address.parse().unwrap()), &Bounds::default()).ok().flatten()
    }

    #[test]
    fn places_are_given_back() {
        let places = Places::new(Some(2), None);
        let (first, second) = (may_come(&places, "10.0.0.1"), may_come(&places, "10.0.0.1"));
        assert!(first.is_some() && second.is_some() && may_come(&places, "10.0.0.2").is_none());
        drop(first);
        assert!(may_come(&places, "10.0.0.2").is_some());
    }

    #[test]
    fn whoever_has_the_same_64_bits_of_ipv6_is_one_address() {
        let places = Places::new(None, Some(1));
        let kept = [
            may_come(&places, "10.0.0.1"),
            may_come(&places, "10.0.0.2"),
            may_come(&places, "2001:db8::1"),
            may_come(&places, "2001:db8:0:1::1"),
        ];
        assert!(kept.iter().all(Option::is_some));
        for taken in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::2"] {
            assert!(may_come(&places, taken).is_none(), "{taken}");
        }
        drop(kept);
        assert!(places.by_network.lock().is_empty() && places.taken.load(Ordering::Relaxed) == 0);
    }

    #[test]
    fn who_is_refused_for_its_address_leaves_its_place_to_others() {
        let places = Places::new(Some(2), Some(1));
        let _one = may_come(&places, "10.0.0.1");
        assert!(may_come(&places, "10.0.0.1").is_none());
        assert!(may_come(&places, "10.0.0.2").is_some());
    }

    #[test]
    fn an_address_that_shows_late_counts_too() {
        let places = Places::new(None, Some(1));
        let (bounds, address) = (Bounds::default(), "10.0.0.1".parse().unwrap());
        let mut late = places.take(None, &bounds).unwrap().unwrap();
        let _one = may_come(&places, "10.0.0.1");
        assert_eq!(late.come_from(address, &bounds), Err(Refusal::TooManyConnections));
        assert_eq!(bounds.max_connections_per_address.get(), 1);
    }
}
