//! `held`: how many blocks each extent of a volume takes on a disk, as of one record of the dirty log. A hint,
//! which spares a start the header of each extent.
//!
//! Sealed with magic `HYHE`, version 1; the body: volume u64, sequence u64, then of each extent, ascending, its
//! index u64, its alloc u64 and the blocks u32.

use std::collections::BTreeMap;

use super::{FormatError, Kind};
use crate::message::ExtentFile;
use crate::{Alloc, ExtentIndex, VolumeId};

/// Bytes of the body before the extents, and of each of these.
const BEFORE: usize = 16;
const EACH: usize = 20;

const KIND: Kind = Kind {
    magic: *b"HYHE",
    version: 1,
};

/// What one volume holds on one disk. It holds true as long as the newest record of the dirty log has this
/// sequence: the log is written before anything that changes an extent (V5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// Whose extents.
    pub volume: VolumeId,
    /// Of the dirty log.
    pub sequence: u64,
    /// The blocks that each extent takes. One that is not among them may hold anything.
    pub extents: BTreeMap<ExtentFile, u32>,
}

impl HeldRecord {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(BEFORE + EACH * self.extents.len());
        body.extend_from_slice(&self.volume.0.to_le_bytes());
        body.extend_from_slice(&self.sequence.to_le_bytes());
        for (file, blocks) in &self.extents {
            body.extend_from_slice(&file.extent.0.to_le_bytes());
            body.extend_from_slice(&file.alloc.0.to_le_bytes());
            body.extend_from_slice(&blocks.to_le_bytes());
        }
        KIND.seal(&body)
    }

    /// Reads the bytes of the file.
    ///
    /// # Errors
    /// When they are damaged, or a newer program wrote them.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut body = KIND.open(bytes)?.body;
        let (volume, sequence) = (VolumeId(body.u64()?), body.u64()?);
        let mut extents = BTreeMap::new();
        while !body.0.is_empty() {
            let file = ExtentFile {
                extent: ExtentIndex(body.u64()?),
                alloc: Alloc(body.u64()?),
            };
            extents.insert(file, body.u32()?);
        }
        Ok(Self {
            volume,
            sequence,
            extents,
        })
    }
}
