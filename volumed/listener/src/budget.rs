//! The memory that the requests of all connections may hold together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// What is counted in, in bytes; every cost is a multiple of it.
pub(super) const UNIT: u64 = 512;

/// Bytes that requests and their unsent replies may hold; a share goes to who asked first.
#[derive(Debug)]
pub(super) struct Budget {
    units: Semaphore,
    patience: Duration,
    waiting: AtomicUsize,
}

impl Budget {
    /// `bytes` must suffice for the largest request. While somebody waits, who holds a share and moves
    /// nothing for the time of `patience` has to give it up.
    pub fn new(bytes: u64, patience: Duration) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(usize::MAX);
        Self {
            units: Semaphore::new(units.min(Semaphore::MAX_PERMITS)),
            patience,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Takes a share that [`Self::give_back`] must return; false if there is too little left.
    pub fn try_take(&self, bytes: u64) -> bool {
        let taken = self.units.try_acquire_many(units(bytes));
        taken.map(SemaphorePermit::forget).is_ok()
    }

    /// Waits until there is a share.
    pub async fn take(&self, bytes: u64) {
        let _waits = Waits::new(&self.waiting);
        // Nobody closes it.
        if let Ok(permit) = self.units.acquire_many(units(bytes)).await {
            permit.forget();
        }
    }

    pub fn give_back(&self, bytes: u64) {
        self.units.add_permits(units(bytes) as usize);
    }

    /// How long who holds a share may move nothing while somebody waits for one.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether somebody waits for a share.
    pub fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

fn units(bytes: u64) -> u32 {
    debug_assert!(bytes.is_multiple_of(UNIT), "shares would not add up");
    (bytes / UNIT) as u32
}

/// Counts one who waits, until he does no more.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
