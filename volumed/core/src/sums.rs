//! CRC32C of blocks, and the page of them that a region has (V10).

use bytes::{Bytes, BytesMut};

use crate::{BLOCK_SIZE, BLOCKS_PER_REGION};

/// The sum of a block that holds nothing and takes no space: it reads zero.
pub const HOLE: u32 = 0;

/// What is kept for a block whose CRC32C happens to be the mark of a hole.
const INSTEAD_OF_HOLE: u32 = 1;

/// The sums of a region's blocks.
pub type SumsPage = [u32; BLOCKS_PER_REGION];

/// A block does not match its sum; the number counts blocks from the start of what was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("block {0} does not match its checksum")]
pub struct Mismatch(pub usize);

/// The sum of one block; never [`HOLE`].
pub fn sum(block: &[u8]) -> u32 {
    match crc_fast::crc32_iscsi(block) {
        HOLE => INSTEAD_OF_HOLE,
        crc => crc,
    }
}

/// The sums of whole blocks.
pub fn sums(blocks: &[u8]) -> Vec<u32> {
    blocks.chunks(BLOCK_SIZE as usize).map(sum).collect()
}

/// Checks whole blocks against their sums; a hole must read zero, so a sum that rotted to the mark
/// of a hole is noticed too.
pub fn verify(blocks: &[u8], expected: &[u32]) -> Result<(), Mismatch> {
    let mut pairs = blocks.chunks(BLOCK_SIZE as usize).zip(expected);
    let matches = |block: &[u8], expected: u32| match expected {
        HOLE => is_zero(block),
        expected => sum(block) == expected,
    };
    match pairs.position(|(block, &expected)| !matches(block, expected)) {
        None => Ok(()),
        Some(index) => Err(Mismatch(index)),
    }
}

/// Sums a region anew (V10): the bytes as they are now are taken for good. A block that is zero
/// stays what `before` says that it is, a hole or not.
pub fn sum_anew(region: &[u8], before: &SumsPage) -> Box<SumsPage> {
    let mut page = Box::new([HOLE; BLOCKS_PER_REGION]);
    for ((block, &before), now) in region
        .chunks(BLOCK_SIZE as usize)
        .zip(before)
        .zip(page.iter_mut())
    {
        *now = if before == HOLE && is_zero(block) {
            HOLE
        } else {
            sum(block)
        };
    }
    page
}

/// Blocks that were known to be damaged keep, or get, a sum that does not match what is there: they are
/// still, if `found` is its sum. Each says at which place of the page it is, and what was found there.
pub fn keep_damage(
    region: &[u8],
    before: &SumsPage,
    damaged: impl Iterator<Item = (usize, u32)>,
    page: &mut SumsPage,
) {
    let blocks = region.as_chunks::<{ BLOCK_SIZE as usize }>().0;
    for (at, found) in damaged {
        if blocks.get(at).is_none_or(|block| sum(block) != found) {
            continue;
        }
        page[at] = match before[at] {
            before if before != HOLE && before != found => before,
            _ if found == u32::MAX => INSTEAD_OF_HOLE,
            _ => found + 1,
        };
    }
}

/// How many blocks of a page take space.
pub fn allocated(sums: &[u32]) -> u32 {
    sums.iter().filter(|&&sum| sum != HOLE).count() as u32
}

fn is_zero(block: &[u8]) -> bool {
    static ZEROES: [u8; BLOCK_SIZE as usize] = [0; BLOCK_SIZE as usize];
    // Many times as fast as looking at each byte.
    block == &ZEROES[..block.len()]
}

/// Puts `data` between what a partly covered first and last block already hold. `skip` is the
/// distance in bytes from the start of the first block to the data.
pub fn merge(data: &Bytes, skip: usize, first: Option<&[u8]>, last: Option<&[u8]>) -> Bytes {
    if first.is_none() && last.is_none() {
        return data.clone();
    }
    let block = BLOCK_SIZE as usize;
    let end = skip + data.len();
    let mut merged = BytesMut::zeroed(end.next_multiple_of(block));
    if let Some(last) = last {
        let start = merged.len() - block;
        merged[start..].copy_from_slice(last);
    }
    if let Some(first) = first {
        merged[..block].copy_from_slice(first);
    }
    merged[skip..end].copy_from_slice(data);
    merged.freeze()
}

#[cfg(test)]
mod tests {
    use super::{HOLE, keep_damage, merge, sum, sum_anew, sums, verify};
    use crate::{BLOCK_SIZE, BLOCKS_PER_REGION, REGION_SIZE};
    use bytes::Bytes;
    use proptest::prelude::*;

    #[test]
    fn a_hole_must_read_zero() {
        let mut block = vec![0; BLOCK_SIZE as usize];
        assert_eq!(verify(&block, &[HOLE]), Ok(()));
        block[17] = 1;
        assert!(verify(&block, &[HOLE]).is_err());
        assert_ne!(sum(&block), HOLE);
    }

    #[test]
    fn summing_anew_keeps_zero_blocks_as_they_were() {
        let mut region = vec![0; REGION_SIZE as usize];
        region[0] = 9;
        let mut before = [HOLE; BLOCKS_PER_REGION];
        before[1] = 5;
        let page = sum_anew(&region, &before);
        assert_eq!(verify(&region, &page[..]), Ok(()));
        assert_ne!(page[0], HOLE);
        assert_ne!(page[1], HOLE);
        assert_eq!(page[2], HOLE);
    }

    #[test]
    fn what_is_known_to_be_damaged_stays_so_until_it_is_another() {
        let mut region = vec![0; REGION_SIZE as usize];
        for block in 0..4 {
            region[block * 4096..][..4096].fill(block as u8);
        }
        let found = |at: usize| sum(&region[at * 4096..][..4096]);
        let mut before = [HOLE; BLOCKS_PER_REGION];
        // The sum of before, none, and one that was made of what rotted.
        (before[1], before[3]) = (77, found(3));
        let mut page = sum_anew(&region, &before);
        let damaged = [
            (0, found(0)),
            (1, found(1)),
            (2, 99),
            (3, found(3)),
            (4, HOLE),
        ];
        keep_damage(&region, &before, damaged.into_iter(), &mut page);
        let bad = |at: usize| verify(&region[at * 4096..][..4096], &[page[at]]).is_err();
        assert_eq!([0, 1, 2, 3, 4].map(bad), [true, true, false, true, false]);
        assert_eq!(page[1], 77, "it may match again");
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(seed: u8, at in 0..8192_usize, bit in 0..8_u32) {
            let mut blocks: Vec<u8> = (0..8192_usize).map(|i| (i as u8) ^ seed).collect();
            let expected = sums(&blocks);
            prop_assert_eq!(verify(&blocks, &expected), Ok(()));
            blocks[at] ^= 1 << bit;
            prop_assert!(verify(&blocks, &expected).is_err());
        }

        #[test]
        fn a_merge_changes_only_what_was_written(skip in 0..4096_usize, length in 1..9000_usize) {
            let old = vec![7_u8; BLOCK_SIZE as usize];
            let data = Bytes::from(vec![1_u8; length]);
            let end = skip + length;
            let same = end <= 4096;
            let first = (skip > 0 || (same && end < 4096)).then_some(&old[..]);
            let last = (!same && !end.is_multiple_of(4096)).then_some(&old[..]);
            let merged = merge(&data, skip, first, last);
            prop_assert_eq!(merged.len() % 4096, 0);
            for (i, byte) in merged.iter().enumerate() {
                prop_assert_eq!(*byte, if (skip..end).contains(&i) { 1 } else { 7 });
            }
        }
    }
}
