//! How long a request is tried again, and when.

use std::time::Duration;

use rand::RngExt as _;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a request waits for a server that is away or overloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// No new attempt begins later than this after the first.
    pub total: Duration,
    /// How long one attempt may take to be answered; its body has that long again for each 8 MiB.
    pub attempt: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            total: Duration::from_mins(5),
            attempt: Duration::from_secs(30),
        }
    }
}

/// The pause before attempt number `attempt`, counted from 1: twice the one before, half of it drawn,
/// so that clients that failed together do not come back together.
pub(crate) fn pause(attempt: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(10));
    let longest = doubled.min(LONGEST_PAUSE);
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!(pause(1) <= FIRST_PAUSE);
        for attempt in 1..100 {
            let pause = pause(attempt);
            assert!(pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE);
        }
    }
}
