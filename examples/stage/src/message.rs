//! Messages, from the page that wrote them to those that show them.

use serde::{Deserialize, Serialize};

const ID_CHARS: usize = 64;

/// A message as a page sends it, to whatever the example writes to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Draft<To> {
    /// Made by the page: a message that is sent again after a lost answer is the same message.
    pub id: String,
    /// Where it goes.
    pub to: To,
    /// What it says.
    pub text: String,
}

/// A message as pages get it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message<To> {
    /// The id that its author's page has given it.
    pub id: String,
    /// The author's name.
    pub from: String,
    /// Where it went.
    pub to: To,
    /// What it says.
    pub text: String,
    /// Milliseconds since 1970, by the server's clock.
    pub at: u64,
}

/// What is wrong with a draft.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is nothing to read, or too much.
    #[error("a message has 1 to {most} characters")]
    Text {
        /// The most characters that it may have.
        most: usize,
    },
    /// No page of ours sends this.
    #[error("this page does not speak as expected, please reload it")]
    Malformed,
}

impl<To> Draft<To> {
    /// Makes the message of it, with its author and the time.
    ///
    /// # Errors
    ///
    /// [`Fault`] if it says nothing, or has more than `most` characters or an id that no page makes.
    pub fn sign(self, from: &str, most: usize) -> Result<Message<To>, Fault> {
        let Self { id, to, text } = self;
        if !is_id(&id) {
            return Err(Fault::Malformed);
        }
        let text = text.trim_end().to_owned();
        if text.trim_start().is_empty() || text.chars().count() > most {
            return Err(Fault::Text { most });
        }
        Ok(Message { id, from: from.to_owned(), to, text, at: crate::now() })
    }
}

/// Whether this can be the id of a message.
pub fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= ID_CHARS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(id: &str, text: &str) -> Result<String, Fault> {
        let draft = Draft { id: id.into(), to: (), text: text.into() };
        draft.sign("Ada", 4).map(|message| message.text)
    }

    #[test]
    fn a_message_says_something_and_not_too_much() {
        assert_eq!(sign("1", " äöü \n"), Ok(" äöü".into()));
        for text in ["", " \n", "12345"] {
            assert_eq!(sign("1", text), Err(Fault::Text { most: 4 }), "{text:?}");
        }
        for id in ["", &"x".repeat(ID_CHARS + 1)] {
            assert_eq!(sign(id, "hi"), Err(Fault::Malformed));
        }
    }
}
