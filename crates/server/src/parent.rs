//! Namespaces that are made when a client asks for them.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use regex::Regex;
use serde_json::Value;

use crate::namespace::{Kind, Namespace};
use crate::server::Server;

/// Why a pattern can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "pattern {pattern:?} is no regular expression of the crate `regex`, which has no look-around and no backreferences"
)]
pub struct InvalidPattern {
    pattern: String,
    #[source]
    reason: regex::Error,
}

/// What a function given to [`Server::of_dynamic`] may return: whether the namespace may be.
///
/// An error is a no, and is logged.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a namespace may be",
    note = "return a `bool`, or a `Result` of one"
)]
pub trait Approval {
    /// Whether the namespace may be.
    fn granted(self) -> bool;
}

impl Approval for bool {
    fn granted(self) -> bool {
        self
    }
}

impl<E: Display> Approval for Result<bool, E> {
    fn granted(self) -> bool {
        self.unwrap_or_else(|error| {
            tracing::error!(%error, "a namespace can't be decided about");
            false
        })
    }
}

/// Makes namespaces by the pattern of another, if their names please it.
pub(crate) struct Parent {
    rule: Rule,
    namespace: Namespace,
}

enum Rule {
    Pattern(Regex),
    Function(Box<dyn Fn(String, Value) -> Deciding + Send + Sync>),
}

type Deciding = Pin<Box<dyn Future<Output = bool> + Send>>;

/// The most bytes of a name that a client may make up. Names that the program asks for may be longer.
const MAX_NAME: usize = 1024;

impl Server {
    /// A parent of all namespaces whose name the pattern matches somewhere, as JavaScript's `test`; each is made when the
    /// first client asks for it.
    ///
    /// Handlers and middlewares that the parent has when a child is made are the child's too. What is emitted through the
    /// parent, or done to sockets through it, reaches all children there are. Parents are tried in the order in which
    /// they were made. `\d` and `\w` stand for ASCII only, as in JavaScript. Clients can't make up names of more than 1,024 bytes.
    ///
    /// ```
    /// # use sockeye::{Server, Socket};
    /// # let io = Server::builder().build()?;
    /// let tenants = io.of_pattern(r"^/tenant-\d+$")?;
    /// tenants.on("whoami", async |socket: Socket| socket.namespace().name().to_owned());
    /// tenants.emit("news", "for all tenants")?;
    /// io.of("/tenant-42").emit("news", "for one")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidPattern`] if it is no regular expression.
    pub fn of_pattern(&self, pattern: &str) -> Result<Namespace, InvalidPattern> {
        let regex = Regex::new(&ascii_classes(pattern));
        let regex = regex.map_err(|reason| InvalidPattern { pattern: pattern.to_owned(), reason })?;
        Ok(self.add_parent(Rule::Pattern(regex)))
    }

    /// A parent of all namespaces of which `decide` says that they may be, from the name and the client's `auth`.
    ///
    /// Otherwise as [`of_pattern`](Self::of_pattern). It is asked only about names that are no namespace yet: who may enter
    /// one is for a middleware to say. While it waits for something, the client's other packets are handled. A panic or an
    /// error is a no; if no other parent says yes, the client gets the `connect_error` `Invalid namespace`. All parents
    /// together have to decide within [`connect_timeout`](crate::ServerBuilder::connect_timeout).
    ///
    /// ```
    /// # let io = sockeye::Server::builder().build()?;
    /// let projects = io.of_dynamic(async |name: String, auth: serde_json::Value| {
    ///     name.starts_with("/project-") && auth["token"] == "secret"
    /// });
    /// # Ok::<(), sockeye::ConfigError>(())
    /// ```
    pub fn of_dynamic<F>(&self, decide: impl Fn(String, Value) -> F + Send + Sync + 'static) -> Namespace
    where
        F: Future<Output: Approval> + Send + 'static,
    {
        self.add_parent(Rule::Function(Box::new(move |name, auth| {
            let deciding = decide(name, auth);
            Box::pin(async move { deciding.await.granted() })
        })))
    }

    /// Calls `hook` for every namespace that is made from now on, before anybody can connect to it.
    ///
    /// A hook may add handlers and middlewares. If it panics, nobody may connect to the namespace.
    pub fn on_namespace(&self, hook: impl Fn(&Namespace) + Send + Sync + 'static) {
        self.inner().namespaces.add_hook(Arc::new(hook));
    }

    fn add_parent(&self, rule: Rule) -> Namespace {
        let namespaces = &self.inner().namespaces;
        let name = format!("/_{}", namespaces.parents().len());
        let namespace = Namespace::new(&name, Kind::Parent, self.inner());
        namespaces.add_parent(Arc::new(Parent { rule, namespace: namespace.clone() }));
        namespace
    }
}

impl Parent {
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Whether the name alone tells that the namespace is a child.
    pub(crate) fn is_like(&self, name: &str) -> bool {
        matches!(&self.rule, Rule::Pattern(regex) if regex.is_match(name))
    }

    async fn approves(&self, name: &str, auth: &str) -> bool {
        let decide = match &self.rule {
            Rule::Pattern(regex) => return regex.is_match(name),
            Rule::Function(decide) => decide,
        };
        // What can't be shown to the function can't be approved either: JSON nested too deep, or half an emoji.
        let Ok(auth) = serde_json::from_str(auth) else { return false };
        let decided = AssertUnwindSafe(async { decide(name.to_owned(), auth).await }).catch_unwind().await;
        decided.unwrap_or_else(|_| {
            tracing::error!("a function given to `of_dynamic` panicked");
            false
        })
    }
}

/// Whether a client may ask parents for a namespace of this name.
pub(crate) fn may_be_asked(name: &str) -> bool {
    name.len() <= MAX_NAME
}

/// The first parent that wants to have a child of this name.
pub(crate) async fn choose(parents: &[Arc<Parent>], name: &str, auth: &str) -> Option<Arc<Parent>> {
    for parent in parents {
        if parent.approves(name, auth).await {
            return Some(parent.clone());
        }
    }
    None
}

/// In JavaScript `\d` and `\w` mean ASCII: a name with other digits would surprise whoever parses them.
fn ascii_classes(pattern: &str) -> String {
    let mut rest = pattern.chars();
    let mut ascii = String::with_capacity(pattern.len());
    while let Some(char) = rest.next() {
        if char != '\\' {
            ascii.push(char);
            continue;
        }
        match rest.next() {
            Some('d') => ascii.push_str("[0-9]"),
            Some('D') => ascii.push_str("[^0-9]"),
            Some('w') => ascii.push_str("[0-9A-Za-z_]"),
            Some('W') => ascii.push_str("[^0-9A-Za-z_]"),
            escaped => ascii.extend(['\\'].into_iter().chain(escaped)),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, matches: bool) {
        let regex = Regex::new(&ascii_classes(pattern)).unwrap();
        assert_eq!(regex.is_match(name), matches, "{pattern} on {name}");
    }

    #[test]
    fn patterns_mean_what_they_mean_in_javascript() {
        check(r"^/tenant-\d+$", "/tenant-42", true);
        check(r"^/tenant-\d+$", "/tenant-42x", false);
        check(r"^/tenant-\d+$", "/tenant-٤٢", false);
        check(r"tenant", "/my-tenants", true);
        check(r"^/[\d-]+$", "/1-2", true);
        check(r"^/[^\w]$", "/ä", true);
        check(r"^/\\d$", r"/\d", true);
        check(r"^\/a\/\w+$", "/a/b_1", true);
    }
}
