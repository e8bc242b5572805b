use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::Times;

/// In place of a moment: nobody listens now, so that silence means nothing.
const DEAF: u64 = u64::MAX;

/// When a link last heard something and last said something; times are in milliseconds since it began.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    ping: Duration,
    silence: Duration,
    heard: AtomicU64,
    said: AtomicU64,
}

impl Pulse {
    pub fn new(times: &Times) -> Self {
        Self {
            began: Instant::now(),
            ping: times.ping,
            silence: times.silence,
            heard: AtomicU64::new(0),
            said: AtomicU64::new(0),
        }
    }

    /// Something came in, or is listened for again.
    pub fn heard(&self) {
        self.heard.store(self.now(), Ordering::Relaxed);
    }

    /// Until something is [heard](Self::heard), nobody listens.
    pub fn deaf(&self) {
        self.heard.store(DEAF, Ordering::Relaxed);
    }

    /// Something was sent.
    pub fn said(&self) {
        self.said.store(self.now(), Ordering::Relaxed);
    }

    /// Calls `ping` whenever nothing was said for a time; returns once nothing was heard for too long.
    pub async fn beat(&self, ping: impl Fn()) {
        loop {
            let now = Instant::now();
            let heard = self.heard.load(Ordering::Relaxed);
            let dead = (heard != DEAF).then(|| self.at(heard) + self.silence);
            if dead.is_some_and(|dead| dead <= now) {
                return;
            }
            let mut due = self.at(self.said.load(Ordering::Relaxed)) + self.ping;
            if due <= now {
                ping();
                self.said();
                due = now + self.ping;
            }
            sleep_until(dead.map_or(due, |dead| dead.min(due))).await;
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn at(&self, moment: u64) -> Instant {
        self.began + Duration::from_millis(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        ping: Duration::from_secs(2),
        silence: Duration::from_secs(6),
        hello: Duration::from_secs(1),
        first_pause: Duration::from_secs(1),
        longest_pause: Duration::from_secs(1),
    };

    #[tokio::test(start_paused = true)]
    async fn a_side_that_says_nothing_pings_until_the_other_was_silent_for_too_long() {
        let pulse = Pulse::new(&TIMES);
        let pings = AtomicU64::new(0);
        let began = Instant::now();
        let count = || {
            pings.fetch_add(1, Ordering::Relaxed);
        };
        pulse.beat(count).await;
        assert_eq!(began.elapsed().as_secs(), 6);
        assert_eq!(pings.into_inner(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_means_nothing_while_nobody_listens() {
        let pulse = Pulse::new(&TIMES);
        pulse.deaf();
        let listening = async {
            tokio::time::sleep(Duration::from_mins(1)).await;
            pulse.heard();
        };
        let began = Instant::now();
        tokio::join!(pulse.beat(|| {}), listening);
        assert_eq!(began.elapsed().as_secs(), 66);
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_something_needs_no_ping() {
        let pulse = Pulse::new(&TIMES);
        pulse.deaf();
        let talking = async {
            for _ in 0..100 {
                pulse.said();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = pulse.beat(|| panic!("a ping")) => panic!("an end"),
            () = talking => {}
        }
    }
}
