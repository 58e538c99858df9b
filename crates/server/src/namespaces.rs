//! The namespaces of a server.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::{ArcSwap, Guard};
use hashbrown::HashMap;
use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::namespace::{Kind, Namespace};
use crate::parent::Parent;
use crate::server::ServerInner;

/// What becomes of a namespace that was made for a client, once nobody is in it any more.
///
/// Namespaces that the program has asked for by [`Server::of`](crate::Server::of) always stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyNamespaces {
    /// It is removed, and made anew for the next client: a client that varies the name costs no memory.
    Removed,
    /// It stays, as Node's do by default. Safe only if the names that clients can ask for are few.
    Kept,
}

/// The namespaces of a server, and what others are made by.
#[derive(Default)]
pub(crate) struct Namespaces {
    by_name: RwLock<HashMap<Box<str>, Namespace>>,
    /// In the order in which they are tried.
    parents: ArcSwap<Vec<Arc<Parent>>>,
    hooks: ArcSwap<Vec<Hook>>,
    /// How many of those made for clients stay for some who are away.
    held: AtomicUsize,
}

type Hook = Arc<dyn Fn(&Namespace) + Send + Sync>;

impl Namespaces {
    pub(crate) fn get(&self, name: &str) -> Option<Namespace> {
        self.by_name.read().get(name).cloned()
    }

    /// Takes out this namespace, not another one that has its name by now.
    pub(crate) fn remove(&self, namespace: &Namespace) {
        let mut by_name = self.by_name.write();
        if by_name.get(namespace.name()) == Some(namespace) {
            by_name.remove(namespace.name());
            if let Some(cluster) = namespace.cluster() {
                cluster.leave(namespace.name());
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Namespace> {
        self.by_name.read().values().cloned().collect()
    }

    pub(crate) fn children(&self, parent: &Namespace) -> SmallVec<[Namespace; 1]> {
        let by_name = self.by_name.read();
        by_name.values().filter(|namespace| namespace.parent() == Some(parent)).cloned().collect()
    }

    /// Counts one more that stays for clients that are away, if there are not that many already.
    pub(crate) fn hold_one(&self, most: usize) -> bool {
        let one_more = |held: usize| (held < most).then_some(held + 1);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(crate) fn release_one(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn parents(&self) -> Guard<Arc<Vec<Arc<Parent>>>> {
        self.parents.load()
    }

    pub(crate) fn add_parent(&self, parent: Arc<Parent>) {
        self.parents.rcu(|parents| parents.iter().chain([&parent]).cloned().collect::<Vec<_>>());
    }

    pub(crate) fn add_hook(&self, hook: Hook) {
        self.hooks.rcu(|hooks| hooks.iter().chain([&hook]).cloned().collect::<Vec<_>>());
    }
}

impl ServerInner {
    /// The namespace of this name, which stays from now on; made if it is not there.
    pub(crate) fn of(self: &Arc<Self>, name: &str) -> Namespace {
        let name = if name.starts_with('/') { name.to_owned() } else { format!("/{name}") };
        loop {
            let (namespace, made) = match self.namespaces.get(&name) {
                Some(namespace) => (namespace, false),
                None => self.make(&name, self.namespaces.parents().iter().find(|parent| parent.is_like(&name))),
            };
            if namespace.holds().keep() {
                // Who merely finds it does not wait for hooks: it may be one of them that asks.
                if made {
                    self.announce(&namespace);
                }
                return namespace;
            }
            self.namespaces.remove(&namespace);
        }
    }

    /// The namespace of this name, held for a socket to come. If it is not there, `parent` makes it.
    pub(crate) fn enter(self: &Arc<Self>, name: &str, parent: Option<&Arc<Parent>>) -> Option<Namespace> {
        loop {
            let namespace = match (self.namespaces.get(name), parent) {
                (Some(namespace), _) => namespace,
                (None, Some(_)) => self.make(name, parent).0,
                (None, None) => return None,
            };
            if !namespace.holds().take() {
                self.namespaces.remove(&namespace);
            } else if self.announce(&namespace) {
                return Some(namespace);
            } else {
                namespace.release();
                return None;
            }
        }
    }

    /// Makes a namespace, unless somebody else just did.
    fn make(self: &Arc<Self>, name: &str, parent: Option<&Arc<Parent>>) -> (Namespace, bool) {
        let kind = parent.map_or(Kind::Named, |parent| Kind::Child(parent.namespace().clone()));
        let made = Namespace::new(name, kind, self);
        let mut by_name = self.namespaces.by_name.write();
        let namespace = by_name.entry(name.into()).or_insert_with(|| made.clone());
        let is_new = *namespace == made;
        if let Some(cluster) = namespace.cluster().filter(|_| is_new) {
            cluster.enter(name);
        }
        (namespace.clone(), is_new)
    }

    /// Tells the hooks of a new namespace. Only the first call does; the others wait for its end, so that no socket gets
    /// past a middleware that a hook adds. Says whether all went well.
    fn announce(&self, namespace: &Namespace) -> bool {
        *namespace.announced().get_or_init(|| {
            let tell = || self.namespaces.hooks.load().iter().for_each(|hook| hook(namespace));
            let told = namespace.name() == "/" || catch_unwind(AssertUnwindSafe(tell)).is_ok();
            if !told {
                tracing::error!(namespace = namespace.name(), "an `on_namespace` hook panicked: nobody may connect");
            }
            told
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::Server;

    const THREADS: usize = 4;

    fn server_with_parent() -> (Server, Arc<Parent>) {
        let io = Server::builder().build().unwrap();
        io.of_pattern("^/x").unwrap();
        let parent = io.inner().namespaces.parents()[0].clone();
        (io, parent)
    }

    #[test]
    fn all_who_enter_at_once_enter_one_namespace_which_is_told_of_once() {
        let (io, parent) = server_with_parent();
        let told = Arc::new(AtomicUsize::new(0));
        let counted = told.clone();
        io.on_namespace(move |_| _ = counted.fetch_add(1, Ordering::Relaxed));
        for round in 0..500 {
            let (name, barrier) = (format!("/x{round}"), Barrier::new(THREADS));
            let enter = || {
                barrier.wait();
                io.inner().enter(&name, Some(&parent)).unwrap()
            };
            let entered: Vec<Namespace> = thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(enter)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(entered.windows(2).all(|two| two[0] == two[1]));
            assert_eq!(told.load(Ordering::Relaxed), round + 1);
        }
    }

    #[test]
    fn a_namespace_that_is_over_is_not_entered_though_it_has_not_been_removed_yet() {
        let (io, parent) = server_with_parent();
        let server = io.inner();
        let over = |name| {
            let namespace = server.enter(name, Some(&parent)).unwrap();
            assert!(namespace.holds().release());
            namespace
        };
        let (first, other) = (over("/x1"), over("/x2"));
        let second = server.enter("/x1", Some(&parent)).unwrap();
        assert!(second != first && server.of("/x2") != other);
        // Who removes the first comes too late, and does not hit the second.
        server.namespaces.remove(&first);
        assert!(server.namespaces.get("/x1") == Some(second));
    }

    #[test]
    fn what_somebody_is_in_is_the_namespace_of_that_name_whoever_leaves() {
        let (io, parent) = server_with_parent();
        let server = io.inner();
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let namespace = server.enter("/x", Some(&parent)).unwrap();
                        assert!(server.namespaces.get("/x") == Some(namespace.clone()));
                        namespace.release();
                    }
                });
            }
        });
        assert!(server.namespaces.get("/x").is_none());
        assert!(server.of("/x") == server.enter("/x", None).unwrap());
    }
}
