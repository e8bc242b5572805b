//! `dirty`: the regions that may differ from their sums (V5), in two slots of 128 KiB.
//!
//! Sealed with magic `HYDL`, version 2; the body: sequence u64, volume u64, everything u8 (1: every
//! region is dirty, and none is listed), then the dirty regions as runs, ascending, a u64 each: bits
//! 0..40 the first region, 40..64 how many follow it. Version 1 listed each region as u64.

use std::collections::BTreeSet;

use super::{FormatError, Kind, Opened, Reader, SlotRecord};
use crate::{MAX_VOLUME_SIZE, REGION_SIZE, RegionIndex, VolumeId};

/// Bytes between the two slots.
pub const LOG_SLOT_SIZE: u64 = 128 << 10;

/// More runs of dirty regions than this are written as "everything".
const MAX_LOGGED_RUNS: usize = 16_000;

/// So are more regions than this: few runs must not make a reader hold millions.
const MAX_LOGGED_REGIONS: u64 = 1 << 20;

const FIRST_BITS: u32 = 40;

const KIND: Kind = Kind {
    magic: *b"HYDL",
    version: 2,
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
        let listed = self.regions.as_ref().and_then(pack_runs);
        let mut body = Vec::with_capacity(17 + listed.as_ref().map_or(0, Vec::len));
        body.extend_from_slice(&self.sequence.to_le_bytes());
        body.extend_from_slice(&self.volume.0.to_le_bytes());
        body.push(u8::from(listed.is_none()));
        body.extend_from_slice(&listed.unwrap_or_default());
        KIND.seal(&body)
    }

    fn decode(slot: &[u8]) -> Result<Self, FormatError> {
        let Opened {
            version, mut body, ..
        } = KIND.open(slot)?;
        let sequence = body.u64()?;
        let volume = VolumeId(body.u64()?);
        let everything = body.u8()?;
        let regions = if version == 1 {
            read_regions(&mut body)?
        } else {
            read_runs(&mut body)?
        };
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

/// Regions as runs, a u64 each as in the log; `None` if they are too many to be listed.
pub(crate) fn pack_runs(regions: &BTreeSet<RegionIndex>) -> Option<Vec<u8>> {
    let few = regions.len() as u64 <= MAX_LOGGED_REGIONS;
    let runs = few.then(|| runs(regions))?;
    let words = runs.iter().map(|(first, more)| first | more << FIRST_BITS);
    (runs.len() <= MAX_LOGGED_RUNS).then(|| words.flat_map(u64::to_le_bytes).collect())
}

/// What was packed.
pub(crate) fn unpack_runs(packed: &[u8]) -> Result<BTreeSet<RegionIndex>, FormatError> {
    read_runs(&mut Reader(packed))
}

/// The first region of each run, and how many follow it.
fn runs(regions: &BTreeSet<RegionIndex>) -> Vec<(u64, u64)> {
    const { assert!(MAX_VOLUME_SIZE.0 / REGION_SIZE <= 1 << FIRST_BITS) }
    const { assert!(MAX_LOGGED_REGIONS < 1 << (64 - FIRST_BITS)) }
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for region in regions {
        match runs.last_mut() {
            Some((first, more)) if *first + *more + 1 == region.0 => *more += 1,
            _ => runs.push((region.0, 0)),
        }
    }
    runs
}

fn read_runs(body: &mut Reader<'_>) -> Result<BTreeSet<RegionIndex>, FormatError> {
    let mut regions = BTreeSet::new();
    let mut end = 0;
    while !body.0.is_empty() {
        let run = body.u64()?;
        let (first, more) = (run & ((1 << FIRST_BITS) - 1), run >> FIRST_BITS);
        if first < end || regions.len() as u64 + more >= MAX_LOGGED_REGIONS {
            return Err(FormatError::Damaged);
        }
        end = first + more + 1;
        regions.extend((first..end).map(RegionIndex));
    }
    Ok(regions)
}

fn read_regions(body: &mut Reader<'_>) -> Result<BTreeSet<RegionIndex>, FormatError> {
    let mut regions = BTreeSet::new();
    while !body.0.is_empty() {
        let region = RegionIndex(body.u64()?);
        if region.0 >> FIRST_BITS != 0 || regions.last().is_some_and(|&last| last >= region) {
            return Err(FormatError::Damaged);
        }
        regions.insert(region);
    }
    Ok(regions)
}
