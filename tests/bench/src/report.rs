//! What a load came to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::load::{Load, Tally};
use crate::work::Work;

/// The figures of one load; times in milliseconds, rates per second.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was done.
    pub work: Work,
    /// The size of an object in bytes.
    pub size: u64,
    /// Connections.
    pub connections: usize,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// Successful requests.
    pub requests: usize,
    /// Successful requests a second.
    pub per_second: f64,
    /// Object bytes a second, in 10^6.
    pub megabytes_per_second: f64,
    /// Keys listed a second.
    pub keys_per_second: f64,
    /// Half of the requests took at most this long.
    pub p50_ms: f64,
    /// Nine of ten did.
    pub p90_ms: f64,
    /// 99 of 100 did.
    pub p99_ms: f64,
    /// 999 of 1,000 did.
    pub p999_ms: f64,
    /// The slowest one.
    pub max_ms: f64,
    /// Requests that failed.
    pub errors: u64,
    /// The first few failures.
    pub error_examples: Vec<String>,
}

impl Report {
    /// Works out the figures.
    pub fn new(load: &Load, mut tally: Tally, elapsed: Duration) -> Self {
        tally.latencies.sort_unstable();
        let seconds = elapsed.as_secs_f64();
        let requests = tally.latencies.len();
        let at = |per_mille| f64::from(percentile(&tally.latencies, per_mille)) / 1000.0;
        Self {
            work: load.work,
            size: load.size.0,
            connections: load.connections,
            seconds,
            requests,
            per_second: requests as f64 / seconds,
            megabytes_per_second: tally.bytes as f64 / 1e6 / seconds,
            keys_per_second: tally.keys as f64 / seconds,
            p50_ms: at(500),
            p90_ms: at(900),
            p99_ms: at(990),
            p999_ms: at(999),
            max_ms: at(1000),
            errors: tally.errors,
            error_examples: tally.examples,
        }
    }
}

/// The value that `per_mille` of 1,000 values do not exceed (nearest rank); 0 of nothing.
fn percentile(sorted: &[u32], per_mille: usize) -> u32 {
    let rank = (sorted.len() * per_mille).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = crate::size::ByteSize(self.size);
        write!(f, "{} ", self.work)?;
        if matches!(self.work, Work::Put | Work::Get) {
            write!(f, "{size} ")?;
        }
        writeln!(
            f,
            "on {} connections, {:.1} s",
            self.connections, self.seconds
        )?;
        write!(
            f,
            "  {} requests, {:.0} a second",
            self.requests, self.per_second
        )?;
        if self.megabytes_per_second > 0.0 {
            write!(f, ", {:.1} MB/s", self.megabytes_per_second)?;
        }
        if self.keys_per_second > 0.0 {
            write!(f, ", {:.0} keys a second", self.keys_per_second)?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  ms: p50 {:.2}, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
            self.p50_ms, self.p90_ms, self.p99_ms, self.p999_ms, self.max_ms
        )?;
        if self.errors > 0 {
            writeln!(f, "  {} ERRORS, the first:", self.errors)?;
            for example in &self.error_examples {
                writeln!(f, "    {example}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted: Vec<u32> = (1..=1000).collect();
        assert_eq!(percentile(&sorted, 500), 500);
        assert_eq!(percentile(&sorted, 999), 999);
        assert_eq!(percentile(&sorted, 1000), 1000);
        assert_eq!(percentile(&[7], 500), 7);
        assert_eq!(percentile(&[], 500), 0);
    }
}
