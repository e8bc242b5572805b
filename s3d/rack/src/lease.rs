//! V1: how long this node may answer for the buckets that are open here.
//!
//! A bucket's index is in this process's memory, so nothing of an answer need pass by volumed. So volumed says for how
//! long the node's lease stands, which counts from before it was asked; an answer that was made while it stood is
//! right, whoever takes the bucket over later. A volume that volumed gave up before, or under an earlier lease, has no
//! connection any more, which is looked at behind the lease.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use s3d_buckets::{Began, BucketRecord};
use tokio::time::{sleep, timeout};

use crate::rack::Rack;

/// How often volumed is asked; a lease stands for some seconds.
const EVERY: Duration = Duration::from_millis(500);

/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(2);

/// There is nobody who could take a bucket over.
const FOR_EVER: u64 = u64::MAX;

pub(crate) struct Lease {
    begun: Instant,
    /// In milliseconds since `begun`.
    until: AtomicU64,
}

impl Lease {
    /// One that stands until somebody is asked.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            until: AtomicU64::new(FOR_EVER),
        }
    }

    /// Whether what was read before this call counts.
    pub fn stands(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == FOR_EVER || self.now() < until
    }

    fn set(&self, asked: u64, left: Option<u64>) {
        let until = left.map_or(FOR_EVER, |left| asked.saturating_add(left));
        self.until.store(until, Ordering::Release);
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }
}

impl Rack {
    /// V1: whether what a request read of a bucket counts, since no other node can have had it meanwhile. The lease
    /// first: where volumed has taken a new one, it has ended the connections of the one before.
    pub(crate) async fn counts(&self, bucket: &BucketRecord, began: Began) -> bool {
        self.0.lease.stands() && self.0.buckets.counts(bucket, began).await
    }

    /// Asks this node's volumed for ever for how many milliseconds the node may serve; it answers none where there is
    /// no cluster. Nothing is answered before it said so.
    pub async fn keep_lease<E, A>(&self, ask: impl Fn() -> A)
    where
        E: Display,
        A: Future<Output = Result<Option<u64>, E>>,
    {
        let lease = &self.0.lease;
        lease.set(0, Some(0));
        loop {
            let asked = lease.now();
            match timeout(PATIENCE, ask()).await {
                Ok(Ok(left)) => lease.set(asked, left),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "volumed does not say how long this node may serve");
                }
                Err(_) => {
                    tracing::warn!("volumed does not say in time how long this node may serve");
                }
            }
            sleep(EVERY).await;
        }
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
