use std::num::NonZeroU32;

/// The streams of a cluster: one, or several among which namespaces are spread.
///
/// ```
/// use sockeye_redis::wire::streams::Streams;
/// use std::num::NonZeroU32;
///
/// let streams = Streams::new("socket.io", NonZeroU32::new(3).ok_or("none")?);
/// assert_eq!(streams.of("/"), "socket.io-2");
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    name: String,
    count: NonZeroU32,
}

impl Streams {
    /// So many streams: 1, unless Node's servers set another `streamCount`. `name` is what they are called:
    /// `socket.io`, unless Node's servers set another `streamName`.
    pub fn new(name: &str, count: NonZeroU32) -> Self {
        Self { name: name.to_owned(), count }
    }

    /// The stream of a namespace.
    ///
    /// With several streams, half of all namespaces have one with a negative number, into which Node's servers write but
    /// from which they never read.
    pub fn of(&self, namespace: &str) -> String {
        match self.count.get() {
            1 => self.name.clone(),
            count => format!("{}-{}", self.name, i64::from(hash(namespace)) % i64::from(count)),
        }
    }

    /// The streams that Node's servers read from.
    pub fn read_by_node(&self) -> Vec<String> {
        match self.count.get() {
            1 => vec![self.name.clone()],
            count => (0..count).map(|index| format!("{}-{index}", self.name)).collect(),
        }
    }
}

/// The sum that Java makes of a text, over UTF-16.
fn hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_has_no_number() {
        let streams = Streams::new("mine", NonZeroU32::MIN);
        assert_eq!((streams.of("/any"), streams.read_by_node()), ("mine".to_owned(), vec!["mine".to_owned()]));
    }

    #[test]
    fn several_streams_are_numbered() {
        let streams = Streams::new("s", NonZeroU32::new(3).unwrap());
        assert_eq!(streams.read_by_node(), ["s-0", "s-1", "s-2"]);
    }
}
