//! What every part of an open bucket holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{Notify, Semaphore};
use volumed_client::BlockDevice;

use crate::index::{Index, IndexError};
use crate::object::Timestamp;
use crate::offload::Offload;
use crate::requests::{ClosedError, ReadError};
use crate::space::allocator::Space;
use crate::space::pins::Pins;

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
    pub closed: OnceLock<ClosedError>,
    pub reserve_held: AtomicBool,
}

impl Shared {
    pub fn reserve_held(&self) -> bool {
        self.reserve_held.load(Ordering::Acquire)
    }

    pub fn set_reserve_held(&self, held: bool) {
        self.reserve_held.store(held, Ordering::Release);
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
        // Whoever waits for a fold waits no longer.
        self.folded.notify_waiters();
    }
}

impl From<IndexError> for ClosedError {
    fn from(error: IndexError) -> Self {
        Self::Index(error.0)
    }
}
