//! Checksums of the index's blocks, in memory: what makes reading without the daemon possible
//! (V14).
//!
//! redb's reads verify no checksum, so only bytes that this process wrote itself, or read checked
//! before, can be told from others.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use crate::format::crc::crc32c;
use crate::format::layout::BLOCK;

/// Blocks whose checksum is remembered at most, the first ones of an index: 4 MiB of memory for
/// 4 GiB of index.
const MAX_BLOCKS: usize = 1 << 20;

/// No checksum is known. A block whose checksum this is counts as unknown, too.
const UNKNOWN: u32 = 0;

/// The checksum of each block, as far as it is known.
#[derive(Debug, Default)]
pub struct BlockSums {
    sums: RwLock<Vec<AtomicU32>>,
}

impl BlockSums {
    /// Bytes are about to be written: whole blocks have a new checksum from now on, others none.
    pub fn written(&self, offset: u64, bytes: &[u8]) {
        self.grow_to(offset + bytes.len() as u64);
        let sums = self.sums.read();
        for (block, piece) in pieces(offset, bytes) {
            if let Some(sum) = sums.get(block) {
                let whole = piece.len() == BLOCK as usize;
                let new = if whole { crc32c(piece) } else { UNKNOWN };
                sum.store(new, Ordering::Release);
            }
        }
    }

    /// These bytes were read checked. What was written meanwhile has its checksum already.
    pub fn read_checked(&self, offset: u64, bytes: &[u8]) {
        self.grow_to(offset + bytes.len() as u64);
        let sums = self.sums.read();
        for (block, piece) in pieces(offset, bytes) {
            if piece.len() == BLOCK as usize
                && let Some(sum) = sums.get(block)
            {
                let new = crc32c(piece);
                // Fails when a checksum is known.
                let _ = sum.compare_exchange(UNKNOWN, new, Ordering::AcqRel, Ordering::Acquire);
            }
        }
    }

    /// Whether the checksums of all blocks of a range are known, which begins and ends with one.
    pub fn know(&self, offset: u64, length: usize) -> bool {
        let (first, end) = (offset / BLOCK, (offset + length as u64) / BLOCK);
        let whole = offset.is_multiple_of(BLOCK) && (length as u64).is_multiple_of(BLOCK);
        let sums = self.sums.read();
        whole
            && sums
                .get(first as usize..end as usize)
                .is_some_and(|range| range.iter().all(|sum| known(sum).is_some()))
    }

    /// Whether bytes are those that were last written, or read checked.
    pub fn match_all(&self, offset: u64, bytes: &[u8]) -> bool {
        let sums = self.sums.read();
        pieces(offset, bytes).all(|(block, piece)| {
            let known = sums.get(block).and_then(known);
            known.is_some_and(|sum| sum == crc32c(piece))
        })
    }

    /// Nothing is known of what lies behind `length`.
    pub fn truncate(&self, length: u64) {
        self.sums.write().truncate((length / BLOCK) as usize);
    }

    fn grow_to(&self, end: u64) {
        let blocks = (end.div_ceil(BLOCK) as usize).min(MAX_BLOCKS);
        if self.sums.read().len() < blocks {
            let mut sums = self.sums.write();
            let blocks = blocks.max(sums.len());
            sums.resize_with(blocks, || AtomicU32::new(UNKNOWN));
        }
    }
}

fn known(sum: &AtomicU32) -> Option<u32> {
    Some(sum.load(Ordering::Acquire)).filter(|sum| *sum != UNKNOWN)
}

/// The numbers of the blocks that bytes lie in, and what lies in each.
fn pieces(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = offset;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = rest.len().min((BLOCK - at % BLOCK) as usize);
        let (piece, later) = rest.split_at(length);
        let block = (at / BLOCK) as usize;
        (at, rest) = (at + length as u64, later);
        (length > 0).then_some((block, piece))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: usize = BLOCK as usize;

    #[test]
    fn whole_blocks_are_known_once_written_or_read() {
        let sums = BlockSums::default();
        assert!(!sums.know(0, WHOLE));
        sums.written(BLOCK, &[1; 2 * WHOLE]);
        assert!(sums.know(BLOCK, 2 * WHOLE));
        assert!(sums.match_all(BLOCK, &[1; 2 * WHOLE]));
        assert!(!sums.match_all(BLOCK, &[2; WHOLE]));
        assert!(!sums.know(0, WHOLE), "nothing was written there");
        sums.read_checked(0, &[3; WHOLE]);
        assert!(sums.know(0, 3 * WHOLE));
        assert!(!sums.know(1, WHOLE), "no checksum covers parts of blocks");
    }

    #[test]
    fn a_late_read_does_not_undo_a_write() {
        let sums = BlockSums::default();
        sums.written(0, &[2; WHOLE]);
        sums.read_checked(0, &[1; WHOLE]);
        assert!(sums.match_all(0, &[2; WHOLE]));
    }

    #[test]
    fn parts_of_blocks_make_them_unknown() {
        let sums = BlockSums::default();
        sums.written(0, &[1; 3 * WHOLE]);
        sums.written(BLOCK + 5, &[2; 7]);
        assert!(sums.know(0, WHOLE) && sums.know(2 * BLOCK, WHOLE));
        assert!(!sums.know(BLOCK, WHOLE));
    }

    #[test]
    fn what_was_cut_off_is_unknown() {
        let sums = BlockSums::default();
        sums.written(0, &[1; 2 * WHOLE]);
        sums.truncate(BLOCK);
        sums.written(2 * BLOCK, &[1; WHOLE]);
        assert!(sums.know(0, WHOLE) && sums.know(2 * BLOCK, WHOLE));
        assert!(!sums.know(BLOCK, WHOLE));
    }

    #[test]
    fn memory_is_bounded() {
        let sums = BlockSums::default();
        let end = MAX_BLOCKS as u64 * BLOCK;
        sums.written(end - BLOCK, &[1; 2 * WHOLE]);
        assert!(sums.know(end - BLOCK, WHOLE));
        assert!(!sums.know(end, WHOLE));
        assert!(!sums.match_all(end, &[1; WHOLE]));
    }
}
