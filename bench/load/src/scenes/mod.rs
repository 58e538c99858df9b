//! The scenes: each says what its clients do, and what counts as one unit of work.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Map, Value};

use crate::{
    meter::Meter,
    net::{Driver, Net},
};

pub(crate) mod broadcast;
pub(crate) mod connect;
pub(crate) mod echo;
pub(crate) mod idle;
pub(crate) mod polling;
pub(crate) mod rooms;
mod upgrade;

/// How long over the measured time a scene may take before its server counts as stuck.
const GRACE: Duration = Duration::from_secs(30);

/// Runs a driver whose sessions have begun until its meter has its window.
fn measure<D: Driver>(
    net: &mut Net,
    driver: &mut D,
    limit: Duration,
    meter: impl Fn(&mut D) -> &mut Meter,
) -> Result<()> {
    net.run(driver, limit + GRACE, |driver, net| meter(driver).is_done(net.now()))
}

/// What was asked for, before what came out of it.
fn figures<const N: usize>(asked: [(&str, Value); N], meter: &Meter) -> Result<Map<String, Value>> {
    let mut figures: Map<String, Value> = asked.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    figures.extend(meter.figures()?);
    Ok(figures)
}

/// A JSON array's end, `"xxx…"]`, with `size` characters of data.
fn text_argument(size: usize) -> Vec<u8> {
    format!("\"{}\"]", "x".repeat(size)).into_bytes()
}

/// `12["rest` into 12 and `["rest`.
fn split_id(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_id_ends_where_the_array_begins() {
        assert_eq!(split_id(br#"120["x"]"#), Some((120, &br#"["x"]"#[..])));
        assert_eq!(split_id(br#"["x"]"#), None);
    }
}
