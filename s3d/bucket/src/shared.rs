//! What every part of an open bucket holds.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use volumed_client::BlockDevice;

use crate::index::{Index, IndexError};
use crate::object::Timestamp;
use crate::offload::Offload;
use crate::requests::{ClosedError, ReadError};
use crate::space::Space;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub struct Shared {
    pub data: Arc<dyn BlockDevice>,
    pub index: Arc<Index>,
    pub space: Arc<Space>,
    pub offload: Offload,
    /// Told each time rows were folded.
    pub folded: Notify,
    pub closed: OnceLock<ClosedError>,
}

impl Shared {
    /// Ends the bucket for this reason, unless it has ended for another.
    pub fn close(&self, error: ClosedError) {
        self.closed.get_or_init(|| error);
    }
}

impl From<IndexError> for ClosedError {
    fn from(error: IndexError) -> Self {
        Self::Index(error.0)
    }
}

impl From<IndexError> for ReadError {
    fn from(error: IndexError) -> Self {
        Self::Closed(error.into())
    }
}
