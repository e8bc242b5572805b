//! What clients ask, in terms of the model.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::SmallRng;
use volumed_core::{BLOCK_SIZE, EXTENT_SIZE, ExtentIndex, REGION_SIZE, Request};

use super::model::{Model, SECTOR, Stamp};

/// The sectors of a range of bytes.
pub(super) fn sectors(offset: u64, length: u64) -> Range<u64> {
    offset / SECTOR..(offset + length) / SECTOR
}

/// The sectors that a request is about; none of a flush.
pub(super) fn range_of(request: &Request) -> Range<u64> {
    match request {
        Request::Read { offset, length } | Request::Map { offset, length, .. } => {
            sectors(*offset, u64::from(*length))
        }
        Request::Write { offset, data, .. } => sectors(*offset, data.len() as u64),
        Request::Trim { offset, length, .. } | Request::WriteZeroes { offset, length, .. } => {
            sectors(*offset, *length)
        }
        Request::Flush => 0..0,
    }
}

/// Whether the answer says that what was changed is durable.
pub(super) fn is_durable(request: &Request) -> bool {
    match request {
        Request::Write { fua, .. }
        | Request::Trim { fua, .. }
        | Request::WriteZeroes { fua, .. } => *fua,
        Request::Read { .. } | Request::Map { .. } | Request::Flush => false,
    }
}

/// Whether sectors of one of the blocks are in the range.
pub(super) fn is_in(blocks: &BTreeSet<(ExtentIndex, u32)>, range: &Range<u64>) -> bool {
    blocks.iter().any(|(extent, block)| {
        let start = extent.start() + u64::from(*block) * BLOCK_SIZE;
        let block = sectors(start, BLOCK_SIZE);
        block.start < range.end && range.start < block.end
    })
}

/// Something in one of so many extents, in few places, so that requests meet.
pub(super) fn some_request(rng: &mut SmallRng, extents: u64) -> Request {
    let extent = rng.random_range(0..extents);
    let region = rng.random_range(0..16);
    // Chunks of 128 blocks meet at the second and third.
    let block = [0, 1, 126, 127, 128, 700][rng.random_range(0..6)];
    let sector = [0, 0, 3, 7][rng.random_range(0..4)];
    let within = region * REGION_SIZE + block * BLOCK_SIZE + sector * SECTOR;
    let offset = extent * EXTENT_SIZE + within;
    let length = [1, 8, 16, 20, 600][rng.random_range(0..5)] * SECTOR;
    let length = length.min(extents * EXTENT_SIZE - offset);
    let fua = rng.random_bool(0.4);
    match rng.random_range(0..100) {
        0..55 => {
            let stamp = rng.random_range(1..u32::MAX).to_le_bytes();
            let data = Bytes::from(stamp.repeat(length as usize / 4));
            Request::Write { offset, data, fua }
        }
        55..75 => Request::Read {
            offset,
            length: length as u32,
        },
        75..85 => Request::Flush,
        85..92 => Request::Trim {
            offset,
            length,
            fua,
        },
        92..98 => Request::WriteZeroes {
            offset,
            length,
            fua,
            no_hole: rng.random_bool(0.5),
        },
        _ => Request::Trim {
            offset: extent * EXTENT_SIZE,
            length: EXTENT_SIZE,
            fua,
        },
    }
}

impl Model {
    /// A client asks for this, as its request of this number.
    pub fn ask(&mut self, number: u64, request: &Request) {
        match request {
            Request::Write { data, .. } => {
                let stamp = Stamp::from_le_bytes([data[0], data[1], data[2], data[3]]);
                self.write(number, range_of(request), stamp);
            }
            Request::Trim { .. } | Request::WriteZeroes { .. } => {
                self.clear(number, range_of(request));
            }
            Request::Read { .. } | Request::Map { .. } | Request::Flush => {}
        }
    }
}
