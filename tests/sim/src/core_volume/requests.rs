//! What clients ask, in terms of the model.

use std::collections::BTreeSet;
use std::ops::Range;

use volumed_core::{BLOCK_SIZE, ExtentIndex, Request};

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
