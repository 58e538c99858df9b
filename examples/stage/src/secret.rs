//! Keys and tokens: who knows one is let in.

use std::fmt;

use subtle::ConstantTimeEq;

/// A key or token. It is compared in constant time, and never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret, however good it is.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Makes a secret that nobody can guess: 32 characters for use in addresses and headers.
    pub fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// The secret itself, for who has to be told.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this secret. The time it takes tells nothing but the secret's length.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_same_text_is_the_secret() {
        let secret = Secret::new("salmon");
        assert!(secret.is("salmon"));
        for other in ["", "salmo", "salmons", "Salmon"] {
            assert!(!secret.is(other), "{other:?}");
        }
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn a_random_secret_is_new_each_time() {
        let (one, two) = (Secret::random(), Secret::random());
        assert_eq!(one.reveal().len(), 32);
        assert!(!one.is(two.reveal()));
    }
}
