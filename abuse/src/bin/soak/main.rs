//! The soak: clients of every kind come, do what clients do, and go in every way, for as long as asked. In the end the
//! server has to be as it was before the first of them, and as it was at half-time.
//!
//! `soak --seconds 60`. The server runs in a process of its own, `abuse-server` beside this program.

#![allow(clippy::print_stdout, reason = "what it says is for who runs it")]

mod walks; // What one client does, from its coming to its going.

use std::collections::BTreeMap;
use std::time::Duration;

use abuse::Trial;
use anyhow::{Context, Result, ensure};
use clap::Parser;
use rand::seq::IndexedRandom;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::walks::{KEPT_FOR, WALKS};

#[derive(Parser)]
struct Args {
    /// How long clients come and go. Afterwards the server has up to 30 s to forget them.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many clients there are at a time.
    #[arg(long, default_value_t = 200)]
    clients: usize,
}

/// Times short enough for every one of them to pass often in a minute.
const OPTIONS: &str = "--ping-interval 1500 --ping-timeout 6000 --connect-timeout 3000 --head-timeout 3000 --upgrade-timeout 5000 \
                       --outbox-patience 1000 --outbox-mark 100000 --deflate";
/// What maps, lists and threads keep when hundreds of clients have been there.
const SLACK: usize = 1 << 20;
/// The same once they have been there: hundreds of clients of each kind come and go, and nothing may be left of them.
const STEADY_SLACK: usize = 48 << 10;
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// How often walks of one kind were begun and ended as they should.
type Walked = BTreeMap<&'static str, usize>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let server = std::env::current_exe()?.with_file_name("abuse-server");
    let options = format!("{OPTIONS} --recovery {}", KEPT_FOR.as_millis());
    let mut trial = Trial::begin("soak", &server.to_string_lossy(), &options).await?.slack(SLACK);
    let half = Duration::from_secs(args.seconds) / 2;
    let mut walked = Walked::new();
    walk(&mut trial, args.clients, half, &mut walked).await?;
    trial.settle(STEADY_SLACK).await?;
    walk(&mut trial, args.clients, half, &mut walked).await?;
    println!("{walked:#?}");
    let status = trial.status()?;
    let counted = status.counters.iter().chain(&status.tally).filter(|(_, count)| **count > 0);
    println!("{:#?}", counted.collect::<BTreeMap<_, _>>());
    for (name, _) in WALKS {
        ensure!(args.seconds < 30 || walked.contains_key(name), "nobody went the way {name:?}");
    }
    ensure!(status.count("out of order") == 0, "events were handled out of order");
    trial.end().await?;
    Ok(())
}

/// Has so many clients come and go for this time.
async fn walk(trial: &mut Trial, clients: usize, time: Duration, walked: &mut Walked) -> Result<()> {
    let end = Instant::now() + time;
    let mut walkers = JoinSet::new();
    for _ in 0..clients {
        walkers.spawn(walk_until(trial.address(), end));
    }
    let mut report_at = Instant::now();
    while report_at < end {
        sleep_until(report_at).await;
        report(trial)?;
        report_at += REPORT_EVERY;
    }
    while let Some(walker) = walkers.join_next().await {
        for (name, count) in walker?? {
            *walked.entry(name).or_default() += count;
        }
    }
    Ok(())
}

/// One client after the other; the first that is not served as it should be ends the soak.
async fn walk_until(address: std::net::SocketAddr, end: Instant) -> Result<Walked> {
    let mut walked = Walked::new();
    while Instant::now() < end {
        let (name, walk) = WALKS.choose(&mut rand::rng()).context("there are walks")?;
        walk(address).await.with_context(|| format!("on the way {name:?}"))?;
        *walked.entry(*name).or_default() += 1;
    }
    Ok(walked)
}

fn report(trial: &mut Trial) -> Result<()> {
    let status = trial.status()?;
    println!(
        "{:>4.0} s: {:?}, {} KiB live, {} KiB resident",
        trial.elapsed().as_secs_f64(),
        status.gauges,
        status.live / 1024,
        trial.server.resident()? / 1024
    );
    Ok(())
}
