//! Who may read: names, and a token for each.

use std::str::FromStr;

use stage::Secret;

/// Somebody who may read notices: `NAME:TOKEN` on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) token: Secret,
}

/// All who may read.
#[derive(Debug)]
pub(crate) struct Readers(Vec<Reader>);

impl Readers {
    pub(crate) fn new(readers: Vec<Reader>) -> Self {
        Self(readers)
    }

    /// Whose token this is. Every token is compared, so that the time tells not even which one was near.
    pub(crate) fn holder(&self, token: &str) -> Option<&str> {
        self.0
            .iter()
            .fold(None, |found, reader| if reader.token.is(token) { Some(reader.name.as_str()) } else { found })
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|reader| reader.name == name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reader> {
        self.0.iter()
    }
}

impl FromStr for Reader {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((name, token)) if !name.is_empty() && token.len() >= 16 => {
                Ok(Self { name: name.to_owned(), token: Secret::new(token) })
            }
            _ => Err("expected NAME:TOKEN, the token with 16 characters or more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_holder_and_nobody_else() {
        let readers = ["ada:0123456789abcdef", "bob:fedcba9876543210"].map(|text| text.parse().unwrap());
        let readers = Readers::new(readers.into());
        assert_eq!(readers.holder("fedcba9876543210"), Some("bob"));
        assert_eq!((readers.holder(""), readers.holder("0123456789abcde")), (None, None));
        assert!(readers.knows("ada") && !readers.knows("eve"));
    }

    #[test]
    fn a_reader_has_a_name_and_a_long_token() {
        for text in ["ada", ":0123456789abcdef", "ada:short"] {
            assert!(text.parse::<Reader>().is_err(), "{text}");
        }
    }
}
