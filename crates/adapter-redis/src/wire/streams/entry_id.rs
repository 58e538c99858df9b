use std::{fmt, str::FromStr};

/// The id of an entry, which clients know as the offset of their last event: later entries have larger ones.
///
/// ```
/// use sockeye_redis::wire::streams::EntryId;
///
/// let id: EntryId = "1700000000000-3".parse()?;
/// assert_eq!(id.next().to_string(), "1700000000000-4");
/// assert!("$".parse::<EntryId>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    milliseconds: u64,
    sequence: u64,
}

/// A text is no id of an entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid id of a stream's entry: expected two numbers with a `-` between them")]
pub struct InvalidEntryId;

impl EntryId {
    /// The smallest id behind this one: where a range begins that this one is not part of.
    #[must_use]
    pub fn next(self) -> Self {
        match self.sequence.checked_add(1) {
            Some(sequence) => Self { sequence, ..self },
            None => Self { milliseconds: self.milliseconds.saturating_add(1), sequence: 0 },
        }
    }

    /// When the entry was added: milliseconds since 1970, by the clock of Redis.
    pub fn milliseconds(self) -> u64 {
        self.milliseconds
    }
}

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
            digits.parse().ok().filter(|_| is_plain).ok_or(InvalidEntryId)
        };
        let (milliseconds, sequence) = text.split_once('-').ok_or(InvalidEntryId)?;
        Ok(Self { milliseconds: number(milliseconds)?, sequence: number(sequence)? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Result<EntryId, InvalidEntryId> {
        text.parse()
    }

    #[test]
    fn an_id_is_two_numbers() {
        for text in
            ["", "-", "1", "1-", "-1", "1-2-3", "+1-2", "1-+2", "1-a", " 1-2", "18446744073709551616-0", "$", "*"]
        {
            assert_eq!(id(text), Err(InvalidEntryId), "{text:?}");
        }
        assert_eq!(id("0-0").unwrap().to_string(), "0-0");
    }

    #[test]
    fn ids_are_ordered_as_numbers() {
        assert!(id("9-10").unwrap() < id("10-2").unwrap() && id("10-2").unwrap() < id("10-10").unwrap());
        assert_eq!(id("1-18446744073709551615").unwrap().next(), id("2-0").unwrap());
    }
}
