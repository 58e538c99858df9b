//! Many at once.

use std::future::Future;

use anyhow::Result;
use tokio::task::JoinSet;

/// Does something `count` times, no more than `at_once` of them at the same time; each gets its number.
pub async fn crowd<T, F>(count: usize, at_once: usize, each: impl Fn(usize) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut done = Vec::with_capacity(count);
    for number in 0..count {
        if running.len() >= at_once
            && let Some(one) = running.join_next().await
        {
            done.push(one??);
        }
        running.spawn(each(number));
    }
    while let Some(one) = running.join_next().await {
        done.push(one??);
    }
    Ok(done)
}

/// The last part of the address from which this one of a crowd connects: no address has ports for all.
pub fn host(number: usize) -> u8 {
    2 + u8::try_from(number % 8).unwrap_or(0)
}
