//! `missed`: the regions that changed since other disks fell behind (V4), in two slots of 128 KiB.
//!
//! Sealed with magic `HYML`, version 1; the body: sequence u64, volume u64, epoch u64, then what was missed as
//! [packed](crate::missed).

use super::{FormatError, Kind, SlotRecord};
use crate::missed::{self, MissedByDisk};
use crate::{Epoch, VolumeId};

/// Bytes between the two slots.
pub const MISSED_SLOT_SIZE: u64 = 128 << 10;

const KIND: Kind = Kind {
    magic: *b"HYML",
    version: 1,
};

/// What other disks missed of one volume, as one disk knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedLogRecord {
    /// Grows with every write.
    pub sequence: u64,
    /// Whose regions.
    pub volume: VolumeId,
    /// The last head that had it kept: it says nothing after a later one changed something.
    pub epoch: Epoch,
    /// Within the [bound](missed::bound).
    pub missed: MissedByDisk,
}

impl SlotRecord for MissedLogRecord {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for number in [self.sequence, self.volume.0, self.epoch.0] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&missed::pack(&self.missed));
        KIND.seal(&body)
    }

    fn decode(slot: &[u8]) -> Result<Self, FormatError> {
        let mut body = KIND.open(slot)?.body;
        Ok(Self {
            sequence: body.u64()?,
            volume: VolumeId(body.u64()?),
            epoch: Epoch(body.u64()?),
            missed: missed::unpack(body.0)?,
        })
    }
}

const _: () = assert!(missed::MOST_PACKED as u64 + 64 < MISSED_SLOT_SIZE);
