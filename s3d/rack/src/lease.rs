//! V1: how long this node may answer for the buckets that are open here.
//!
//! A bucket's index is in this process's memory, so nothing of an answer need pass by volumed. So volumed says for how
//! long the node's lease stands, which counts from before it was asked; an answer that was made while it stood is
//! right, whoever takes the bucket over later. A volume that volumed gave up before, or under an earlier lease, has no
//! connection any more, which is looked at behind the lease.
//!
//! While volumed hangs, so does what it was asked, and with it the request. Once the lease has lapsed for good, no
//! answer would count: then the client is asked to come back, and the bucket is taken over by another node.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

/// How often volumed is asked, and the clock; a lease stands for some seconds.
pub(crate) const EVERY: Duration = Duration::from_millis(500);

/// How long a lease may be over until requests wait no more for the next one. With the lease it is longer than a bucket
/// waits for its volume daemon, which may only be started anew.
const LAPSED: Duration = Duration::from_secs(2);

/// There is nobody who could take a bucket over.
const FOR_EVER: u64 = u64::MAX;

pub(crate) struct Lease {
    begun: Instant,
    /// In milliseconds since `begun`.
    until: AtomicU64,
    /// Whether it has been over for long.
    lapsed: watch::Sender<bool>,
}

impl Lease {
    /// One that stands until somebody is asked.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            until: AtomicU64::new(FOR_EVER),
            lapsed: watch::Sender::new(false),
        }
    }

    /// Whether what was read before this call counts.
    pub fn stands(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == FOR_EVER || self.now() < until
    }

    pub fn set(&self, asked: u64, left: Option<u64>) {
        let until = left.map_or(FOR_EVER, |left| asked.saturating_add(left));
        self.until.store(until, Ordering::Release);
    }

    /// Until it has been over for long.
    pub async fn until_lapsed(&self) {
        // The sender lives as long as this.
        let _ = self.lapsed.subscribe().wait_for(|lapsed| *lapsed).await;
    }

    /// Looks for ever whether it is over.
    pub async fn watch(&self) {
        loop {
            let until = self.until.load(Ordering::Acquire);
            let lapsed = until.saturating_add(LAPSED.as_millis() as u64) <= self.now();
            let changed = |before: &mut bool| std::mem::replace(before, lapsed) != lapsed;
            self.lapsed.send_if_modified(changed);
            sleep(EVERY).await;
        }
    }

    pub fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_stands_from_when_it_was_asked_for() {
        let lease = Lease::new();
        assert!(lease.stands(), "nobody was asked");
        lease.set(0, Some(0));
        assert!(!lease.stands());
        lease.set(lease.now(), Some(60_000));
        assert!(lease.stands());
        lease.set(0, None);
        assert!(lease.stands(), "there is no cluster");
    }
}
