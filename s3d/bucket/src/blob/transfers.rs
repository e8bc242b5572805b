//! Memory for bodies on their way in and out: one budget for all buckets of a process.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::CHECKED_RUN;
use crate::format::layout::RUN;

/// The memory that bodies may take in runs of 1 MiB. Clones share it.
///
/// Who finds none left goes on at once with pieces of 64 KiB: nobody waits for another transfer,
/// which may be one to a client that takes nothing.
#[derive(Debug, Clone)]
pub struct TransferMemory(Arc<Semaphore>);

impl TransferMemory {
    /// A budget of so many bytes, in whole runs.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / RUN)))
    }

    /// Room for the next piece of a body, taken until it is dropped.
    pub(crate) fn room(&self) -> Room {
        Room(self.0.clone().try_acquire_owned().ok())
    }
}

impl Default for TransferMemory {
    fn default() -> Self {
        Self::new(32 << 20)
    }
}

/// Room for a piece of a body.
#[derive(Debug)]
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Room {
    /// For what is so short that it is not counted.
    pub const SHORT: Self = Self(None);

    /// Whether it takes of the budget.
    pub fn is_counted(&self) -> bool {
        self.0.is_some()
    }

    /// How long the piece may be, in bytes: a run or a checked run.
    pub fn bytes(&self) -> usize {
        match self.0 {
            Some(_) => RUN,
            None => CHECKED_RUN as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_there_for_others() {
        let memory = TransferMemory::new(2 * RUN);
        let (first, second) = (memory.room(), memory.room());
        assert_eq!((first.bytes(), second.bytes()), (RUN, RUN));
        assert_eq!(memory.room().bytes(), CHECKED_RUN as usize);
        drop(first);
        assert_eq!(memory.room().bytes(), RUN);
    }
}
