//! What every part of an open bucket holds.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};
use volumed_client::BlockDevice;

use crate::blob::transfers::TransferMemory;
use crate::errors::{ClosedError, ReadError};
use crate::index::{Index, IndexError};
use crate::object::Timestamp;
use crate::offload::Offload;
use crate::space::allocator::Space;
use crate::space::pins::Pins;
use crate::space::reserve::Reserve;
use crate::totals::Totals;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub struct Shared {
    pub data: Arc<dyn BlockDevice>,
    pub index: Arc<Index>,
    pub space: Arc<Space>,
    pub offload: Offload,
    /// Told each time rows were folded.
    pub folded: Notify,
    pub pins: Pins,
    /// Turns to write a run of a body.
    pub runs: Arc<Semaphore>,
    pub transfers: TransferMemory,
    pub closed: OnceLock<ClosedError>,
    pub reserve: Reserve,
    /// What the bucket holds and may hold.
    pub totals: Mutex<Totals>,
    pub quota: Mutex<Option<u64>>,
    /// Most rows that a record moves for a prefix rename.
    pub slice: usize,
    /// Sequence number of the last record that is visible.
    pub last_record: watch::Sender<u64>,
}

impl Shared {
    pub fn totals(&self) -> Totals {
        *self.totals.lock()
    }

    pub fn set_totals(&self, totals: Totals) {
        *self.totals.lock() = totals;
    }

    /// A record is visible. Who waits for changes is not woken by this.
    pub fn set_last_record(&self, last: u64) {
        self.last_record.send_if_modified(|it| {
            *it = last;
            false
        });
    }

    pub fn wake_followers(&self) {
        self.last_record.send_modify(|_| ());
    }

    pub fn quota(&self) -> Option<u64> {
        *self.quota.lock()
    }

    pub fn set_quota(&self, quota: Option<u64>) {
        *self.quota.lock() = quota;
    }

    /// What a look at the index came to. When it failed the bucket ends: redb does not recover but
    /// by being opened again.
    pub fn looked<T>(&self, looked: Result<T, IndexError>) -> Result<T, ReadError> {
        looked.map_err(|error| {
            let error = ClosedError::from(error);
            self.close(error.clone());
            ReadError::Closed(error)
        })
    }

    /// Ends the bucket for this reason, unless it has ended for another.
    pub fn close(&self, error: ClosedError) {
        self.closed.get_or_init(|| error);
        // Whoever waits for a change or a fold waits no longer.
        self.wake_followers();
        self.folded.notify_waiters();
    }
}

impl From<IndexError> for ClosedError {
    fn from(error: IndexError) -> Self {
        Self::Index(error.0)
    }
}
