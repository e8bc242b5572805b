//! `<disk>/state`: whose the disk is and what became of it, in two slots of 4 KiB.
//!
//! Sealed with magic `HYDS`, version 1; the body: sequence u64, disk u128, store u128, generation
//! u64, incarnation u64, boot u128, mount u64, failed u8 (1: a sync failed).

use super::{FormatError, Kind, SlotRecord};
use crate::{DiskId, Incarnation, StoreGeneration, StoreId};

/// Bytes between the two slots.
pub const DISK_STATE_SLOT_SIZE: u64 = 4096;

const KIND: Kind = Kind {
    magic: *b"HYDS",
    version: 1,
};

/// Whose a disk is and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskState {
    /// Grows with every write.
    pub sequence: u64,
    /// The disk, as in its `disk.json`.
    pub disk: DiskId,
    /// The store whose volumes it holds.
    pub store: StoreId,
    /// Which start of the store it last served under.
    pub generation: StoreGeneration,
    /// Drawn anew when what was not flushed may be lost (V7).
    pub incarnation: Incarnation,
    /// The boot of the machine in which the incarnation was drawn.
    pub boot: u128,
    /// The mount of its file system in which the incarnation was drawn.
    pub mount: u64,
    /// A sync failed (V8).
    pub failed: bool,
}

impl SlotRecord for DiskState {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(81);
        body.extend_from_slice(&self.sequence.to_le_bytes());
        body.extend_from_slice(&self.disk.0.to_le_bytes());
        body.extend_from_slice(&self.store.0.to_le_bytes());
        body.extend_from_slice(&self.generation.0.to_le_bytes());
        body.extend_from_slice(&self.incarnation.0.to_le_bytes());
        body.extend_from_slice(&self.boot.to_le_bytes());
        body.extend_from_slice(&self.mount.to_le_bytes());
        body.push(u8::from(self.failed));
        KIND.seal(&body)
    }

    fn decode(slot: &[u8]) -> Result<Self, FormatError> {
        let mut body = KIND.open(slot)?.body;
        let state = Self {
            sequence: body.u64()?,
            disk: DiskId(body.u128()?),
            store: StoreId(body.u128()?),
            generation: StoreGeneration(body.u64()?),
            incarnation: Incarnation(body.u64()?),
            boot: body.u128()?,
            mount: body.u64()?,
            failed: match body.u8()? {
                0 => false,
                1 => true,
                _ => return Err(FormatError::Damaged),
            },
        };
        body.end()?;
        Ok(state)
    }
}
