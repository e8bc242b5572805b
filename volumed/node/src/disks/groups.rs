//! Durable writes that wait for those before them on the same extent, to be committed together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;
use volumed_core::VolumeId;
use volumed_core::message::ExtentFile;
use volumed_core::replica::{DiskOp, DiskResult};

pub(crate) type Done = Box<dyn FnOnce(DiskResult) + Send>;

/// A durable write, and who wants to know how it ended.
pub(crate) struct Write {
    pub op: DiskOp,
    pub done: Done,
}

/// The writes that wait, by extent. An extent is there while some of it are being committed.
#[derive(Default)]
pub(crate) struct Groups(Mutex<HashMap<(VolumeId, ExtentFile), Vec<Write>>>);

impl Groups {
    /// Takes a write that waits; answers it if none of the extent are being committed, and it is the first.
    pub fn add(&self, of: (VolumeId, ExtentFile), write: Write) -> Option<Write> {
        match self.0.lock().entry(of) {
            Entry::Occupied(waiting) => {
                waiting.into_mut().push(write);
                None
            }
            Entry::Vacant(none) => {
                none.insert(Vec::new());
                Some(write)
            }
        }
    }

    /// Those that wait, which are being committed from now on.
    pub fn next(&self, of: (VolumeId, ExtentFile)) -> Vec<Write> {
        let mut groups = self.0.lock();
        let waiting = groups.get_mut(&of).map(std::mem::take);
        let waiting = waiting.unwrap_or_default();
        if waiting.is_empty() {
            groups.remove(&of);
        }
        waiting
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}
