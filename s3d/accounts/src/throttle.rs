//! Limits on how often something may happen, in memory: reset on restart.
//!
//! The algorithm is GCRA, the generic cell rate algorithm (ITU-T I.371): all that is kept of a key
//! is one time, at which it will have its whole burst again. The crate `governor` does the same, but
//! can neither give an attempt back, which a right password earns, nor limit each key at a rate of
//! its own, as tenants are.

use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quick_cache::unsync::Cache;

/// No attempt is left until some time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// When there will be one.
    pub retry_after: Duration,
}

/// How much may happen at once, and how soon all of it may happen again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Units that may be taken at once; not 0.
    pub burst: u64,
    /// The time in which a burst that was used up comes back whole.
    pub period: Duration,
}

impl Rate {
    /// So many units a second, and as many at once.
    pub fn per_second(units: u64) -> Self {
        Self {
            burst: units.max(1),
            period: Duration::from_secs(1),
        }
    }

    /// Takes one unit of what will be there again at `recovered`; answers the new such time.
    fn take(&self, recovered: Instant, now: Instant) -> Result<Instant, Throttled> {
        let (at, latest) = (recovered.max(now) + self.cost(1), now + self.period);
        if at > latest {
            return Err(Throttled {
                retry_after: at - latest,
            });
        }
        Ok(at)
    }

    /// The time in which so many units come back.
    fn cost(&self, units: u64) -> Duration {
        let nanoseconds = self.period.as_nanos() * u128::from(units) / u128::from(self.burst);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// What one key has used of a rate that may change.
#[derive(Debug)]
pub struct Meter(Mutex<Instant>);

impl Default for Meter {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Meter {
    /// Takes one unit.
    pub fn take(&self, rate: Rate, now: Instant) -> Result<(), Throttled> {
        let mut recovered = self.0.lock();
        *recovered = rate.take(*recovered, now)?;
        Ok(())
    }

    /// Takes units that cannot be refused any more; answers how long to wait for what they were
    /// too many.
    pub fn charge(&self, units: u64, rate: Rate, now: Instant) -> Duration {
        let mut recovered = self.0.lock();
        *recovered = (*recovered).max(now) + rate.cost(units);
        recovered.saturating_duration_since(now + rate.period)
    }
}

/// One rate for each of many keys. The keys that were seen least are forgotten.
#[derive(Debug)]
pub struct Throttle<K> {
    rate: Rate,
    /// When each key will have its whole burst again.
    recovered: Mutex<Cache<K, Instant>>,
}

impl<K: Eq + Hash + Clone> Throttle<K> {
    /// At most `remembered` keys take up memory.
    pub fn new(burst: u64, period: Duration, remembered: usize) -> Self {
        Self {
            rate: Rate { burst, period },
            recovered: Mutex::new(Cache::new(remembered)),
        }
    }

    /// Takes one attempt.
    pub fn take(&self, who: &K, now: Instant) -> Result<(), Throttled> {
        let mut recovered = self.recovered.lock();
        let at = recovered.get(who).copied().unwrap_or(now);
        let at = self.rate.take(at, now)?;
        recovered.insert(who.clone(), at);
        Ok(())
    }

    /// Gives an attempt back that was no abuse.
    pub fn give_back(&self, who: &K) {
        let mut recovered = self.recovered.lock();
        if let Some(at) = recovered.get(who).copied() {
            let at = at.checked_sub(self.rate.cost(1)).unwrap_or(at);
            recovered.insert(who.clone(), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn attempts_run_out_and_come_back() {
        let throttle = Throttle::new(2, 20 * SECOND, 10);
        let start = Instant::now();
        assert!(throttle.take(&"a", start).is_ok());
        assert!(throttle.take(&"a", start).is_ok());
        let throttled = throttle.take(&"a", start + 4 * SECOND).unwrap_err();
        assert_eq!(throttled.retry_after, 6 * SECOND);
        assert!(throttle.take(&"b", start).is_ok());
        let later = start + 10 * SECOND;
        assert!(throttle.take(&"a", later).is_ok());
        assert!(throttle.take(&"a", later).is_err());
        throttle.give_back(&"a");
        assert!(throttle.take(&"a", later).is_ok());
    }

    #[test]
    fn memory_is_bounded_also_while_nobody_recovers() {
        let throttle = Throttle::new(1, 1_000 * SECOND, 100);
        let start = Instant::now();
        for who in 0..10_000 {
            let _ = throttle.take(&who, start);
        }
        assert!(throttle.recovered.lock().len() <= 100);
    }

    #[test]
    fn what_cannot_be_refused_is_waited_for() {
        let (meter, rate) = (Meter::default(), Rate::per_second(100));
        let start = Instant::now() + SECOND;
        assert_eq!(meter.charge(100, rate, start), Duration::ZERO);
        assert_eq!(meter.charge(200, rate, start), 2 * SECOND);
        // A higher rate counts from the next charge on.
        let faster = Rate::per_second(1_000);
        assert_eq!(meter.charge(0, faster, start), 2 * SECOND);
        assert!(meter.take(rate, start).is_err());
        assert!(meter.take(rate, start + 4 * SECOND).is_ok());
    }
}
