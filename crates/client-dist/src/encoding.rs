//! Which compression a browser gets.

/// A form that a bundle can be sent in, in the order in which we like to send them: the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
    Deflate,
    Identity,
}

impl Encoding {
    /// Chooses by the value of `Accept-Encoding`: the highest weight wins, and among equals the smallest form.
    ///
    /// What names none of ours gets the plain form, even where it refuses that one too: a script is better than a 406.
    pub(crate) fn choose(accept: Option<&str>) -> Self {
        let accept = accept.unwrap_or_default();
        let mut best = (Self::Identity, 0);
        for encoding in [Self::Brotli, Self::Gzip, Self::Deflate] {
            let weight = encoding.weight(accept);
            if weight > best.1 {
                best = (encoding, weight);
            }
        }
        // The plain form needs no mention to be acceptable, but only a mention makes it preferred.
        if Self::Identity.weight(accept) > best.1 { Self::Identity } else { best.0 }
    }

    /// The value of `Content-Encoding`; the plain form has none.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
            Self::Identity => None,
        }
    }

    /// Weight of this form in thousandths: its own entry counts, or else that of `*` (RFC 9110, 12.5.3).
    fn weight(self, accept: &str) -> u16 {
        let name = self.name().unwrap_or("identity");
        let mut any = 0;
        for entry in accept.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let own = coding.eq_ignore_ascii_case(name);
            if !own && coding != "*" {
                continue;
            }
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(1000, thousandths);
            if own {
                return weight;
            }
            any = weight;
        }
        any
    }
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

    use super::{Encoding::*, *};

    #[track_caller]
    fn check(accept: &str, chosen: Encoding) {
        assert_eq!(Encoding::choose(Some(accept)), chosen, "{accept:?}");
    }

    #[test]
    fn the_smallest_accepted_form_is_chosen() {
        check("gzip, deflate, br, zstd", Brotli);
        check("gzip, deflate", Gzip);
        check("deflate", Deflate);
        check("GZIP", Gzip);
        check("*", Brotli);
    }

    #[test]
    fn weights_come_first() {
        check("br;q=0.5, gzip", Gzip);
        check("br;q=0.5 , gzip; q=0.125", Brotli);
        check("gzip;q=1.0, deflate;q=0.999", Gzip);
        check("br;q=0, *", Gzip);
        check("gzip;q=0.5, identity", Identity);
    }

    #[test]
    fn what_is_refused_or_unknown_is_not_sent() {
        assert_eq!(Encoding::choose(None), Identity);
        check("", Identity);
        check("identity", Identity);
        check("zstd", Identity);
        check("br;q=0", Identity);
        check("gzip;q=x", Identity);
        check("*;q=0", Identity);
    }

    proptest! {
        #[test]
        fn any_header_gets_a_form(accept in "\\PC*") {
            Encoding::choose(Some(&accept));
        }
    }
}
