use std::cmp::Reverse;

/// A compressed form of an HTTP body, by its name in `Accept-Encoding` and `Content-Encoding`.
///
/// ```
/// use sockeye_protocol::engine::ContentCoding;
///
/// let ours = [ContentCoding::Brotli, ContentCoding::Gzip];
/// let coding = ContentCoding::choose("gzip, br;q=0.5", &ours);
/// assert_eq!(coding.map(ContentCoding::name), Some("gzip"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCoding {
    /// `gzip`.
    Gzip,
    /// `deflate`: the format with zlib's header, not the bare one.
    Deflate,
    /// `br`.
    Brotli,
}

impl ContentCoding {
    /// Chooses one of `ours` by the value of `Accept-Encoding` ([RFC 9110, 12.5.3]): the highest weight wins, and among
    /// equals the first of ours.
    ///
    /// None if the client takes none of them, or gives the plain form (`identity`) a higher weight. A client that refuses
    /// the plain form too gets none as well: what it can't read is better than a 406.
    ///
    /// [RFC 9110, 12.5.3]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
    pub fn choose(accept: &str, ours: &[Self]) -> Option<Self> {
        let weighed = ours.iter().map(|coding| (weight(accept, coding.name()), *coding));
        // Of equals, `min_by_key` takes the first.
        let (most, coding) = weighed.min_by_key(|(weight, _)| Reverse(*weight))?;
        (most > 0 && most >= weight(accept, "identity")).then_some(coding)
    }

    /// The value of `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        }
    }
}

/// The weight of a form in thousandths, by its own entry or else that of `*`; 0 if neither is there.
fn weight(accept: &str, name: &str) -> u16 {
    let mut any = 0;
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let is_own = coding.eq_ignore_ascii_case(name);
        if !is_own && coding != "*" {
            continue;
        }
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1000, thousandths);
        if is_own {
            return weight;
        }
        any = weight;
    }
    any
}

/// Reads a weight such as `0.5`. One that can't be read counts as 0, as if its entry were not there.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    match (whole, fraction.len()) {
        ("1", _) => 1000,
        ("0", 0..=3) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ContentCoding::*, *};

    #[track_caller]
    fn check(accept: &str, chosen: Option<ContentCoding>) {
        assert_eq!(ContentCoding::choose(accept, &[Gzip, Deflate, Brotli]), chosen, "{accept:?}");
    }

    #[test]
    fn of_equals_the_first_of_ours_is_chosen() {
        check("gzip, deflate, br, zstd", Some(Gzip));
        check("deflate, gzip", Some(Gzip));
        check("br, deflate", Some(Deflate));
        check("br", Some(Brotli));
        check("GZIP", Some(Gzip));
        check("*", Some(Gzip));
        check("gzip;q=0, *", Some(Deflate));
        assert_eq!(ContentCoding::choose("gzip, br", &[Brotli, Gzip]), Some(Brotli));
        assert_eq!(ContentCoding::choose("gzip, br", &[]), None);
    }

    #[test]
    fn weights_go_before_all() {
        check("gzip;q=0.5, br", Some(Brotli));
        check("gzip;q=0.8, deflate;q=0.9, br;q=0.85", Some(Deflate));
        check("gzip;q=0.5 , br; q=0.125", Some(Gzip));
        check("gzip;q=1.0, br;q=1", Some(Gzip));
        check("gzip;q=0.5, identity", None);
        check("gzip;q=0.5, identity;q=0.4", Some(Gzip));
        check("identity;q=0, gzip;q=0.001", Some(Gzip));
    }

    #[test]
    fn what_is_refused_or_unknown_is_not_sent() {
        for accept in
            ["", "identity", "zstd", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=x", "gzip;q=-1", ";;,", "gzipx"]
        {
            check(accept, None);
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read(accept in "\\PC*") {
            ContentCoding::choose(&accept, &[Brotli, Gzip]);
        }
    }
}
