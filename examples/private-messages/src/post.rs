//! Who has an account, and the mailbox of each: all in memory, and bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use stage::Secret;
use stage::message::Fault;
use stage::names::tidy;

const NAME_CHARS: usize = 24;
const KEY_CHARS: usize = 64;
const TEXT_CHARS: usize = 1000;
/// Beyond this many, who has been away longest is forgotten, with all mail.
const ACCOUNTS: usize = 500;
/// Beyond this many, the oldest message of a mailbox goes, whether it has been read or not.
const MESSAGES_PER_MAILBOX: usize = 100;

/// The accounts, by name.
#[derive(Debug, Default)]
pub(crate) struct Post(Mutex<HashMap<String, Account>>);

#[derive(Debug)]
struct Account {
    key: Secret,
    /// When this user was here last, by the server's clock.
    seen: u64,
    /// What was written to this user and by this user, oldest first.
    mailbox: VecDeque<Mail>,
}

/// A message in somebody's mailbox.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Mail {
    #[serde(flatten)]
    pub(crate) message: Arc<Message>,
    /// Whether its receiver has read it.
    pub(crate) read: bool,
}

/// What a page says about itself when it connects.
#[derive(Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) name: String,
    /// The secret that all devices of this user share. Who uses a name first chooses its key.
    pub(crate) key: String,
}

/// The receiver of a message: `{"user": "Ada"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct To {
    pub(crate) user: String,
}

pub(crate) type Draft = stage::message::Draft<To>;
pub(crate) type Message = stage::message::Message<To>;

/// A message that was accepted.
#[derive(Debug, PartialEq)]
pub(crate) enum Posted {
    New(Arc<Message>),
    /// It came a second time: answer it, but do not deliver it again.
    Again(Arc<Message>),
}

/// Why something was refused, in words for the user.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("a nickname has 1 to {NAME_CHARS} characters")]
    Name,
    #[error(transparent)]
    Message(#[from] Fault),
    #[error("“{0}” is taken by somebody else")]
    Taken(String),
    #[error("nobody here is called {0}")]
    Unknown(String),
    #[error("there are {ACCOUNTS} people here already")]
    Full,
}

impl Post {
    /// Returns the name of the account, which is opened if there is none. `is_online` tells who must not be forgotten.
    pub(crate) fn sign_in(&self, hello: &Hello, is_online: impl Fn(&str) -> bool) -> Result<String, Refusal> {
        let name = tidy(&hello.name, NAME_CHARS).ok_or(Refusal::Name)?;
        let key = tidy(&hello.key, KEY_CHARS).ok_or(Fault::Malformed)?;
        let mut accounts = self.accounts();
        if let Some(account) = accounts.get(&name) {
            return if account.key.is(&key) { Ok(name) } else { Err(Refusal::Taken(name)) };
        }
        if accounts.len() >= ACCOUNTS {
            let away = accounts.iter().filter(|(name, _)| !is_online(name));
            let longest = away.min_by_key(|(_, account)| account.seen).map(|(name, _)| name.clone());
            accounts.remove(&longest.ok_or(Refusal::Full)?);
        }
        accounts.insert(name.clone(), Account { key: Secret::new(key), seen: stage::now(), mailbox: VecDeque::new() });
        Ok(name)
    }

    /// Notes that a user was here until now.
    pub(crate) fn sign_out(&self, name: &str) {
        if let Some(account) = self.accounts().get_mut(name) {
            account.seen = stage::now();
        }
    }

    /// The names of all accounts, online or not.
    pub(crate) fn names(&self) -> Vec<String> {
        self.accounts().keys().cloned().collect()
    }

    /// All that is in somebody's mailbox, oldest first.
    pub(crate) fn mailbox(&self, name: &str) -> Vec<Mail> {
        self.accounts().get(name).map(|account| account.mailbox.iter().cloned().collect()).unwrap_or_default()
    }

    /// Puts a message into both mailboxes: the receiver's, online or not, and the author's, for all devices.
    pub(crate) fn send(&self, from: &str, draft: Draft) -> Result<Posted, Refusal> {
        let message = draft.sign(from, TEXT_CHARS)?;
        let mut accounts = self.accounts();
        let author = accounts.get(from).ok_or(Fault::Malformed)?;
        let sent = |mail: &&Mail| mail.message.id == message.id && mail.message.from == from;
        if let Some(earlier) = author.mailbox.iter().find(sent) {
            return Ok(Posted::Again(earlier.message.clone()));
        }
        let to = &message.to.user;
        if to == from || !accounts.contains_key(to) {
            return Err(Refusal::Unknown(to.chars().take(NAME_CHARS).collect()));
        }
        let message = Arc::new(message);
        for name in [from, &message.to.user] {
            if let Some(account) = accounts.get_mut(name) {
                account.put(message.clone());
            }
        }
        Ok(Posted::New(message))
    }

    /// Marks all that `author` has written to `reader` as read. Returns whether there was something new in it.
    pub(crate) fn read(&self, reader: &str, author: &str) -> bool {
        let mut accounts = self.accounts();
        let mut changed = false;
        for name in [reader, author] {
            let mailbox = accounts.get_mut(name).into_iter().flat_map(|account| &mut account.mailbox);
            for mail in mailbox.filter(|mail| mail.message.from == author && mail.message.to.user == reader) {
                changed |= !mail.read;
                mail.read = true;
            }
        }
        changed
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        // A panic in one handler must not end the post for all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn put(&mut self, message: Arc<Message>) {
        if self.mailbox.len() == MESSAGES_PER_MAILBOX {
            self.mailbox.pop_front();
        }
        self.mailbox.push_back(Mail { message, read: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(names: &[&str]) -> Post {
        let post = Post::default();
        for name in names {
            sign_in(&post, name, "key").unwrap();
        }
        post
    }

    fn sign_in(post: &Post, name: &str, key: &str) -> Result<String, Refusal> {
        post.sign_in(&Hello { name: name.into(), key: key.into() }, |name| name == "Ada")
    }

    fn draft(id: &str, to: &str, text: &str) -> Draft {
        Draft { id: id.into(), to: To { user: to.into() }, text: text.into() }
    }

    #[test]
    fn a_name_belongs_to_the_key_that_came_first() {
        let post = post(&["Ada"]);
        assert_eq!(sign_in(&post, " Ada ", "key"), Ok("Ada".into()));
        assert_eq!(sign_in(&post, "Ada", "another"), Err(Refusal::Taken("Ada".into())));
        assert_eq!(sign_in(&post, "\u{200b}", "key"), Err(Refusal::Name));
    }

    #[test]
    fn a_message_is_in_both_mailboxes_once_however_often_it_is_sent() {
        let post = post(&["Ada", "Bob", "Eve"]);
        assert!(matches!(post.send("Ada", draft("1", "Bob", "hi")), Ok(Posted::New(_))));
        assert!(matches!(post.send("Ada", draft("1", "Bob", "hi")), Ok(Posted::Again(_))));
        assert_eq!(post.mailbox("Ada"), post.mailbox("Bob"));
        assert_eq!((post.mailbox("Bob").len(), post.mailbox("Eve").len()), (1, 0));
    }

    #[test]
    fn reading_is_known_to_both_and_changes_something_once() {
        let post = post(&["Ada", "Bob"]);
        post.send("Ada", draft("1", "Bob", "hi")).unwrap();
        post.send("Bob", draft("2", "Ada", "hello")).unwrap();
        assert!(post.read("Bob", "Ada"));
        assert!(!post.read("Bob", "Ada"));
        for name in ["Ada", "Bob"] {
            let read: Vec<_> = post.mailbox(name).iter().map(|mail| mail.read).collect();
            assert_eq!(read, [true, false]);
        }
    }

    #[test]
    fn what_cannot_be_delivered_is_refused() {
        let post = post(&["Ada"]);
        assert_eq!(post.send("Ada", draft("1", "Bob", "hi")), Err(Refusal::Unknown("Bob".into())));
        assert_eq!(post.send("Ada", draft("1", "Ada", "hi")), Err(Refusal::Unknown("Ada".into())));
        assert_eq!(post.send("Ada", draft("1", "Bob", " \n")), Err(Fault::Text { most: TEXT_CHARS }.into()));
        assert_eq!(
            post.send("Ada", draft("1", "Bob", &"x".repeat(TEXT_CHARS + 1))),
            Err(Fault::Text { most: TEXT_CHARS }.into())
        );
        assert_eq!(post.send("Ada", draft("", "Bob", "hi")), Err(Fault::Malformed.into()));
    }

    #[test]
    fn a_mailbox_keeps_the_last_messages_only() {
        let post = post(&["Ada", "Bob"]);
        for id in 0..MESSAGES_PER_MAILBOX + 5 {
            post.send("Ada", draft(&id.to_string(), "Bob", "hi")).unwrap();
        }
        let mailbox = post.mailbox("Bob");
        assert_eq!((mailbox.len(), mailbox[0].message.id.as_str()), (MESSAGES_PER_MAILBOX, "5"));
    }

    #[test]
    fn of_too_many_accounts_one_goes_that_is_away() {
        let post = post(&["Ada"]);
        for number in 0..ACCOUNTS {
            sign_in(&post, &number.to_string(), "key").unwrap();
        }
        assert_eq!(post.names().len(), ACCOUNTS);
        assert!(post.names().contains(&"Ada".to_owned()), "she is online");
    }
}
