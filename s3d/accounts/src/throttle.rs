//! Limits on attempts, in memory: a restart forgives.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many are remembered before those who have all their attempts again are forgotten.
const REMEMBERED: usize = 10_000;

/// The limits of this process.
#[derive(Debug)]
pub struct Throttles {
    /// Failed sign-ins to an account: what guessing one password takes.
    pub account: Throttle,
    /// Failed sign-ins and sign-ups from an address.
    pub address: Throttle,
}

impl Default for Throttles {
    fn default() -> Self {
        Self {
            account: Throttle::new(10, Duration::from_secs(30)),
            address: Throttle::new(200, Duration::from_secs(1)),
        }
    }
}

/// No attempt is left for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// When there will be one.
    pub retry_after: Duration,
}

/// Gives everybody some attempts, and one back after each interval.
#[derive(Debug)]
pub struct Throttle {
    attempts: u32,
    interval: Duration,
    /// When each will have all attempts again.
    recovered: Mutex<HashMap<String, Instant>>,
}

impl Throttle {
    pub fn new(attempts: u32, interval: Duration) -> Self {
        Self {
            attempts,
            interval,
            recovered: Mutex::default(),
        }
    }

    /// Takes one attempt.
    pub fn take(&self, who: &str, now: Instant) -> Result<(), Throttled> {
        let mut recovered = self.recovered.lock();
        if recovered.len() >= REMEMBERED {
            recovered.retain(|_, at| *at > now);
        }
        let at = recovered.get(who).copied().unwrap_or(now).max(now) + self.interval;
        let latest = now + self.interval * self.attempts;
        if at > latest {
            return Err(Throttled {
                retry_after: at - latest,
            });
        }
        recovered.insert(who.to_owned(), at);
        Ok(())
    }

    /// Gives an attempt back that was no abuse.
    pub fn give_back(&self, who: &str) {
        let mut recovered = self.recovered.lock();
        if let Some(at) = recovered.get_mut(who) {
            *at -= self.interval;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_run_out_and_come_back() {
        let throttle = Throttle::new(2, Duration::from_secs(10));
        let start = Instant::now();
        assert!(throttle.take("a", start).is_ok());
        assert!(throttle.take("a", start).is_ok());
        let throttled = throttle
            .take("a", start + Duration::from_secs(4))
            .unwrap_err();
        assert_eq!(throttled.retry_after, Duration::from_secs(6));
        assert!(throttle.take("b", start).is_ok());
        assert!(throttle.take("a", start + Duration::from_secs(10)).is_ok());
        assert!(throttle.take("a", start + Duration::from_secs(10)).is_err());
        throttle.give_back("a");
        assert!(throttle.take("a", start + Duration::from_secs(10)).is_ok());
    }

    #[test]
    fn the_recovered_are_forgotten() {
        let throttle = Throttle::new(2, Duration::from_secs(1));
        let start = Instant::now();
        for who in 0..REMEMBERED {
            throttle.take(&who.to_string(), start).unwrap();
        }
        throttle
            .take("late", start + Duration::from_secs(5))
            .unwrap();
        assert_eq!(throttle.recovered.lock().len(), 1);
    }
}
