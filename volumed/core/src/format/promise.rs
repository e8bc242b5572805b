//! `promise`: the highest epoch that a replica promised (V1), in two slots of 4 KiB.
//!
//! Sealed with magic `HYPR`, version 1; the body: sequence u64, volume u64, epoch u64.

use super::{FormatError, Kind, SlotRecord};
use crate::{Epoch, VolumeId};

/// Bytes between the two slots.
pub const PROMISE_SLOT_SIZE: u64 = 4096;

const KIND: Kind = Kind {
    magic: *b"HYPR",
    version: 1,
};

/// A promise not to acknowledge anything of a lower epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromiseRecord {
    /// Grows with every write.
    pub sequence: u64,
    /// Whose replica made it.
    pub volume: VolumeId,
    /// What is promised.
    pub epoch: Epoch,
}

impl SlotRecord for PromiseRecord {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(24);
        for number in [self.sequence, self.volume.0, self.epoch.0] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        KIND.seal(&body)
    }

    fn decode(slot: &[u8]) -> Result<Self, FormatError> {
        let mut body = KIND.open(slot)?.body;
        let record = Self {
            sequence: body.u64()?,
            volume: VolumeId(body.u64()?),
            epoch: Epoch(body.u64()?),
        };
        body.end()?;
        Ok(record)
    }
}
