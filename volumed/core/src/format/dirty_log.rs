//! `dirty`: the regions that may differ from their sums (V5), in two slots of 128 KiB.
//!
//! Sealed with magic `HYDL`, version 1; the body: sequence u64, volume u64, everything u8 (1: every
//! region is dirty, and none is listed), then each dirty region as u64, ascending.

use std::collections::BTreeSet;

use super::{FormatError, Kind, SlotRecord};
use crate::{RegionIndex, VolumeId};

/// Bytes between the two slots.
pub const LOG_SLOT_SIZE: u64 = 128 << 10;

/// More dirty regions than this are written as "everything".
pub const MAX_LOGGED_REGIONS: usize = 16_000;

const KIND: Kind = Kind {
    magic: *b"HYDL",
    version: 1,
};

/// The dirty regions of one volume on one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyLogRecord {
    /// Grows with every write.
    pub sequence: u64,
    /// Whose regions.
    pub volume: VolumeId,
    /// The regions; `None` is all of them.
    pub regions: Option<BTreeSet<RegionIndex>>,
}

impl SlotRecord for DirtyLogRecord {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn encode(&self) -> Vec<u8> {
        let listed = self
            .regions
            .as_ref()
            .filter(|regions| regions.len() <= MAX_LOGGED_REGIONS);
        let mut body = Vec::with_capacity(17 + 8 * listed.map_or(0, BTreeSet::len));
        body.extend_from_slice(&self.sequence.to_le_bytes());
        body.extend_from_slice(&self.volume.0.to_le_bytes());
        body.push(u8::from(listed.is_none()));
        for region in listed.into_iter().flatten() {
            body.extend_from_slice(&region.0.to_le_bytes());
        }
        KIND.seal(&body)
    }

    fn decode(slot: &[u8]) -> Result<Self, FormatError> {
        let (mut body, _) = KIND.open(slot)?;
        let sequence = body.u64()?;
        let volume = VolumeId(body.u64()?);
        let everything = body.u8()?;
        let mut regions = BTreeSet::new();
        while !body.0.is_empty() {
            let region = RegionIndex(body.u64()?);
            if regions.last().is_some_and(|&last| last >= region) {
                return Err(FormatError::Damaged);
            }
            regions.insert(region);
        }
        let regions = match everything {
            0 => Some(regions),
            1 if regions.is_empty() => None,
            _ => return Err(FormatError::Damaged),
        };
        Ok(Self {
            sequence,
            volume,
            regions,
        })
    }
}
