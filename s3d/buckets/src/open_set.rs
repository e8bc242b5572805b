//! The open buckets of this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use s3d_bucket::{Bucket, BucketId};

use super::volumes::Hold;

/// Least and most memory for the index of one bucket, in bytes.
const CACHE: (usize, usize) = (1 << 20, 40 << 20);

/// An open bucket and what it was opened on.
pub struct OpenBucket {
    pub id: BucketId,
    pub bucket: Arc<Bucket>,
    pub volume: String,
    /// How long its volume is this process's own.
    pub hold: Arc<dyn Hold>,
    /// Bytes of memory for its index.
    pub index_cache: usize,
    /// Milliseconds from the set's start to the last time it was asked for.
    used: AtomicU64,
}

impl OpenBucket {
    pub fn new(
        id: BucketId,
        bucket: Bucket,
        volume: String,
        hold: Arc<dyn Hold>,
        index_cache: usize,
    ) -> Self {
        Self {
            id,
            bucket: Arc::new(bucket),
            volume,
            hold,
            index_cache,
            used: AtomicU64::new(0),
        }
    }

    fn is_usable(&self) -> bool {
        self.bucket.closed().is_none() && !self.hold.is_lost()
    }

    /// Whether nobody but the set holds it. Who holds it can come by it only through the set.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.bucket) == 1
    }
}

/// The open buckets, by name.
pub struct OpenSet {
    start: Instant,
    buckets: RwLock<HashMap<String, OpenBucket>>,
    /// How many were taken out that somebody may have read since they were lost.
    losses: AtomicU64,
}

impl OpenSet {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            buckets: RwLock::default(),
            losses: AtomicU64::new(0),
        }
    }

    /// The bucket, if it is open and of use. Every request comes by here.
    pub fn get(&self, name: &str, id: BucketId) -> Option<Arc<Bucket>> {
        let buckets = self.buckets.read();
        let open = buckets
            .get(name)
            .filter(|open| open.id == id && open.is_usable())?;
        open.used.store(self.now(), Ordering::Relaxed);
        Some(open.bucket.clone())
    }

    pub fn insert(&self, name: &str, open: OpenBucket) -> Arc<Bucket> {
        open.used.store(self.now(), Ordering::Relaxed);
        let bucket = open.bucket.clone();
        self.buckets.write().insert(name.to_owned(), open);
        bucket
    }

    /// The bucket, if it is open and of use; that counts as no use of it.
    pub fn peek(&self, name: &str) -> Option<(BucketId, Arc<Bucket>)> {
        let buckets = self.buckets.read();
        let open = buckets.get(name).filter(|open| open.is_usable())?;
        Some((open.id, open.bucket.clone()))
    }

    /// Takes a bucket out, however it is used.
    pub fn take(&self, name: &str) -> Option<OpenBucket> {
        let mut buckets = self.buckets.write();
        let open = buckets.remove(name)?;
        if !open.is_idle() || !open.is_usable() {
            self.losses.fetch_add(1, Ordering::AcqRel);
        }
        Some(open)
    }

    /// How many were lost so far.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// How long the bucket's volume is this process's own, if it is open.
    pub fn hold(&self, name: &str, id: BucketId) -> Option<Arc<dyn Hold>> {
        let buckets = self.buckets.read();
        let open = buckets.get(name).filter(|open| open.id == id)?;
        Some(open.hold.clone())
    }

    /// Takes a bucket out, if nobody uses it.
    pub fn take_idle(&self, name: &str) -> Option<OpenBucket> {
        let mut buckets = self.buckets.write();
        buckets.get(name).filter(|open| open.is_idle())?;
        buckets.remove(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.buckets.read().keys().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.buckets.read().len()
    }

    /// The buckets that were not asked for since `idle` ago, and beyond `most` open ones those
    /// that were not asked for the longest.
    pub fn closable(&self, idle: Duration, most: usize) -> Vec<String> {
        let buckets = self.buckets.read();
        let mut unused: Vec<(u64, &String)> = buckets
            .iter()
            .filter(|(_, open)| open.is_idle())
            .map(|(name, open)| (open.used.load(Ordering::Relaxed), name))
            .collect();
        unused.sort_unstable();
        let excess = buckets.len().saturating_sub(most);
        let idle = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        let long_ago = self.now().saturating_sub(idle);
        unused
            .into_iter()
            .enumerate()
            .filter(|(rank, (used, _))| *rank < excess || *used < long_ago)
            .map(|(_, (_, name))| name.clone())
            .collect()
    }

    /// Memory for the index of one more bucket: half of what is left of the budget, in bytes.
    pub fn index_cache(&self, budget: usize) -> usize {
        let taken: usize = self
            .buckets
            .read()
            .values()
            .map(|open| open.index_cache)
            .sum();
        (budget.saturating_sub(taken) / 2).clamp(CACHE.0, CACHE.1)
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}
