//! `<extent>.<alloc>.sums`: a header page of 4 KiB, then exactly one aligned page of 4 KiB for each
//! of the 16 regions, so that a torn page harms no other region.
//!
//! The header page is sealed with magic `HYSU`, version 1, and padded with zeroes; the body: volume
//! u64, extent u64, alloc u64, allocated u32: how many blocks took space when the last region of the
//! extent became clean. A region's page is 1,024 CRC32C (Castagnoli), u32 each, one for each block
//! of 4 KiB; 0 is a hole, and 1 stands for a CRC that is 0. Sums count only while their region is
//! not suspect (V10).

use super::{FormatError, Kind, Opened};
use crate::sums::{HOLE, SumsPage};
use crate::{
    Alloc, BLOCKS_PER_EXTENT, BLOCKS_PER_REGION, ExtentIndex, REGIONS_PER_EXTENT, RegionIndex,
    VolumeId,
};

const PAGE: u64 = 4096;

/// Bytes of the whole file.
pub const SUMS_FILE_SIZE: u64 = PAGE * (1 + REGIONS_PER_EXTENT);

const KIND: Kind = Kind {
    magic: *b"HYSU",
    version: 1,
};

/// The first page of a sums file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SumsHeader {
    /// The extent's volume.
    pub volume: VolumeId,
    /// The extent.
    pub extent: ExtentIndex,
    /// When it was placed.
    pub alloc: Alloc,
    /// Blocks that took space when the extent was last clean; at most as many as it has.
    pub allocated: u32,
}

impl SumsHeader {
    /// The page.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(28);
        for number in [self.volume.0, self.extent.0, self.alloc.0] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&self.allocated.to_le_bytes());
        let mut page = KIND.seal(&body);
        page.resize(PAGE as usize, 0);
        page
    }

    /// Reads the page.
    pub fn decode(page: &[u8]) -> Result<Self, FormatError> {
        let Opened { mut body, rest, .. } = KIND.open(page)?;
        if rest.iter().any(|&byte| byte != 0) {
            return Err(FormatError::Damaged);
        }
        let header = Self {
            volume: VolumeId(body.u64()?),
            extent: ExtentIndex(body.u64()?),
            alloc: Alloc(body.u64()?),
            allocated: body.u32()?,
        };
        body.end()?;
        if header.allocated > BLOCKS_PER_EXTENT {
            return Err(FormatError::Damaged);
        }
        Ok(header)
    }
}

/// Where the sum of the region's `block` (0 to 1,023) is in the file.
pub fn sums_offset(region: RegionIndex, block: usize) -> u64 {
    PAGE * (1 + region.0 % REGIONS_PER_EXTENT) + 4 * block as u64
}

/// Sums as they are in the file.
pub fn encode_sums(sums: &[u32]) -> Vec<u8> {
    sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
}

/// A region's sums from its page; what a short page lacks is holes.
pub fn decode_sums(page: &[u8]) -> Box<SumsPage> {
    let mut sums = Box::new([HOLE; BLOCKS_PER_REGION]);
    for (sum, bytes) in sums.iter_mut().zip(page.as_chunks::<4>().0) {
        *sum = u32::from_le_bytes(*bytes);
    }
    sums
}
