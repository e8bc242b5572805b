//! How much a volume may hold.

use volumed_core::{BLOCK_SIZE, ByteCount};

use crate::error::{AttachError, LimitVolumeError};
use crate::volume::Volume;

/// Whether a volume can have this quota: blocks are counted.
pub(crate) fn is_possible(quota: ByteCount) -> bool {
    quota.0.is_multiple_of(BLOCK_SIZE)
}

impl Volume {
    /// Sets what the volume may hold: durably, then for its head. Below what it holds, it takes no more
    /// until enough was given back.
    pub async fn limit(&self, quota: Option<ByteCount>) -> Result<(), LimitVolumeError> {
        if !quota.is_none_or(is_possible) {
            return Err(LimitVolumeError::Quota);
        }
        let seat = self.seat.lock().await;
        if seat.deleted {
            return Err(LimitVolumeError::NotFound(self.name.clone()));
        }
        self.change_record(|record| record.quota = quota.map(|quota| quota.0))
            .await
            .map_err(|error| match error {
                AttachError::Record(error) => LimitVolumeError::Record(error),
                AttachError::Store(error) => LimitVolumeError::Store(error),
                _ => LimitVolumeError::NotFound(self.name.clone()),
            })?;
        self.machine.limit(quota);
        Ok(())
    }
}
