use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::process::{Cpu, Process};

/// In nanoseconds, no latency is longer.
const HOUR: u64 = 3_600_000_000_000;

/// Counts units of work and their latency within one window, and what CPU the server spent on them.
#[derive(Debug)]
pub(crate) struct Meter {
    warmup: Extent,
    window: Extent,
    server: Option<Process>,
    state: State,
    /// Of the warmup, then of the window.
    units: u64,
    /// In nanoseconds, to three digits.
    latency: Histogram<u64>,
}

/// How long a warmup or a window is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    Time(Duration),
    Units(u64),
}

impl Extent {
    fn is_over(self, time: Duration, units: u64) -> bool {
        match self {
            Self::Time(extent) => time >= extent,
            Self::Units(extent) => units >= extent,
        }
    }
}

#[derive(Debug)]
enum State {
    Idle,
    Warming { since: Instant },
    Counting(Start),
    Done { took: Duration, server: Option<Cpu>, load: Cpu },
}

#[derive(Debug)]
struct Start {
    at: Instant,
    server: Option<Cpu>,
    load: Cpu,
}

impl Meter {
    pub(crate) fn new(warmup: Extent, window: Extent, server: Option<Process>) -> Self {
        let latency = Histogram::new_with_bounds(1, HOUR, 3).expect("the bounds are in order");
        Self { warmup, window, server, state: State::Idle, units: 0, latency }
    }

    /// Counts one unit, whose work began at `began` and is done `now`.
    pub(crate) fn unit(&mut self, began: Instant, now: Instant) {
        self.units += 1;
        if let State::Counting(_) = self.state {
            self.latency.saturating_record(u64::try_from(now.duration_since(began).as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Moves on from warming to counting to done; the first call starts the clock. To be called once a turn.
    pub(crate) fn is_done(&mut self, now: Instant) -> Result<bool> {
        match &self.state {
            State::Idle => self.state = State::Warming { since: now },
            State::Warming { since } if self.warmup.is_over(now.duration_since(*since), self.units) => {
                self.units = 0;
                self.state = State::Counting(self.start()?);
            }
            State::Counting(start) if self.window.is_over(now.duration_since(start.at), self.units) => {
                let end = self.start()?;
                let server = end.server.zip(start.server.as_ref()).map(|(end, start)| end.since(start));
                self.state = State::Done { took: end.at - start.at, server, load: end.load.since(&start.load) };
            }
            State::Done { .. } => return Ok(true),
            State::Warming { .. } | State::Counting(_) => {}
        }
        Ok(false)
    }

    fn start(&self) -> Result<Start> {
        let server = self.server.map(Process::cpu).transpose()?;
        Ok(Start { server, load: Cpu::of_this_thread()?, at: now() })
    }

    /// The figures of the window: rate, CPU per unit in microseconds, the shares of a core that both sides had and waited
    /// for, latency.
    pub(crate) fn figures(&self) -> Result<Map<String, Value>> {
        let State::Done { took, server, load } = &self.state else { anyhow::bail!("the measured time has not passed") };
        ensure!(!self.latency.is_empty(), "nothing was done in the measured time");
        let units = float(self.latency.len());
        let share = |time: Duration| round(time.as_secs_f64() / took.as_secs_f64());
        let micros = |quantile| float(self.latency.value_at_quantile(quantile)) / 1e3;
        Ok(Map::from_iter(
            [
                ("seconds", json!(round(took.as_secs_f64()))),
                ("units", json!(self.latency.len())),
                ("per_second", json!((units / took.as_secs_f64()).round())),
                ("cpu_us_per_unit", json!(server.as_ref().map(|cpu| round(cpu.ran.as_secs_f64() * 1e6 / units)))),
                ("server_busy", json!(server.as_ref().map(|cpu| share(cpu.ran)))),
                ("server_waited", json!(server.as_ref().map(|cpu| share(cpu.waited)))),
                ("load_busy", json!(share(load.ran))),
                ("load_waited", json!(share(load.waited))),
                ("p50_us", json!(round(micros(0.5)))),
                ("p99_us", json!(round(micros(0.99)))),
                ("p999_us", json!(round(micros(0.999)))),
                ("max_us", json!(round(float(self.latency.max()) / 1e3))),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        ))
    }
}

/// The clock of the load program: the wall's, never paused.
#[expect(clippy::disallowed_methods, reason = "no runtime here whose time could be paused")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A duration from a command line's number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "a report shows far fewer digits than 52 bits hold")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// To three decimals.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_units_of_the_window_count() {
        let mut meter = Meter::new(Extent::Time(Duration::ZERO), Extent::Time(Duration::ZERO), None);
        let began = now();
        meter.unit(began, began);
        assert!(!meter.is_done(began).unwrap(), "warms");
        assert!(!meter.is_done(began).unwrap(), "counts");
        meter.unit(began, began + Duration::from_micros(100));
        meter.unit(began, began + Duration::from_micros(300));
        assert!(!meter.is_done(now()).unwrap(), "ends");
        meter.unit(began, began);
        assert!(meter.is_done(now()).unwrap());
        let figures = meter.figures().unwrap();
        assert_eq!(figures["units"], 2);
        assert!(figures["cpu_us_per_unit"].is_null(), "nobody said which process serves");
        assert!((figures["p50_us"].as_f64().unwrap() - 100.0).abs() < 1.0, "{figures:?}");
        assert!((figures["max_us"].as_f64().unwrap() - 300.0).abs() < 1.0, "{figures:?}");
    }

    #[test]
    fn a_window_of_units_ends_with_the_last_of_them() {
        let mut meter = Meter::new(Extent::Units(1), Extent::Units(2), None);
        let began = now();
        assert!(!meter.is_done(began).unwrap(), "warms");
        for unit in 0..3 {
            assert!(!meter.is_done(began).unwrap(), "{unit} are not 3");
            meter.unit(began, began);
            assert!(!meter.is_done(began).unwrap(), "goes on, at most to its end");
        }
        assert!(meter.is_done(began).unwrap());
        assert_eq!(meter.figures().unwrap()["units"], 2);
    }
}
