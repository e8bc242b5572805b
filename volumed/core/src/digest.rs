//! What a block holds, in 16 bytes: replicas compare them instead of the blocks.
//!
//! The sums of blocks do not serve: of two blocks that differ, one in four thousand million has the same
//! CRC32C, and the difference would stay for good. A digest is the first 16 bytes of the block's BLAKE3
//! hash, little-endian; two values stand for something else.

use crate::BLOCK_SIZE;
use crate::sums::{HOLE, verify};

/// Bytes of a digest.
pub const DIGEST_SIZE: usize = 16;

/// What is known of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// It is a hole.
    Hole,
    /// It does not match its sum.
    Damaged,
    /// It holds this.
    Holds(u128),
}

const AS_HOLE: u128 = 0;
const AS_DAMAGED: u128 = 1;

impl Digest {
    fn of(block: &[u8], sum: u32) -> Self {
        if verify(block, &[sum]).is_err() {
            return Self::Damaged;
        }
        if sum == HOLE {
            return Self::Hole;
        }
        let hash = blake3::hash(block);
        let [first, ..] = hash.as_bytes().as_chunks::<DIGEST_SIZE>().0 else {
            return Self::Damaged;
        };
        // Neither of the two below: no block is known that has such a hash.
        Self::Holds(u128::from_le_bytes(*first).max(AS_DAMAGED + 1))
    }

    fn packed(self) -> u128 {
        match self {
            Self::Hole => AS_HOLE,
            Self::Damaged => AS_DAMAGED,
            Self::Holds(hash) => hash,
        }
    }
}

/// The digests of whole blocks that should have these sums.
pub fn pack(sums: &[u32], blocks: &[u8]) -> Vec<u8> {
    let blocks = blocks.chunks(BLOCK_SIZE as usize).zip(sums);
    let digests = blocks.map(|(block, sum)| Digest::of(block, *sum).packed());
    digests.flat_map(u128::to_le_bytes).collect()
}

/// What was packed; of fewer blocks if there are fewer bytes.
pub fn unpack(packed: &[u8]) -> Vec<Digest> {
    let (digests, _) = packed.as_chunks::<DIGEST_SIZE>();
    let digests = digests.iter().map(|it| match u128::from_le_bytes(*it) {
        AS_HOLE => Digest::Hole,
        AS_DAMAGED => Digest::Damaged,
        hash => Digest::Holds(hash),
    });
    digests.collect()
}

/// What blocks hold as far as their sums say, u32 each, without a look at the blocks: equal blocks have equal ones,
/// and of unequal ones nearly all differ.
pub fn of_sums(packed: &[u8]) -> Vec<Digest> {
    let (sums, _) = packed.as_chunks::<4>();
    let sums = sums.iter().map(|it| match u32::from_le_bytes(*it) {
        HOLE => Digest::Hole,
        sum => Digest::Holds(sum.into()),
    });
    sums.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sums::sum;

    #[test]
    fn holes_damage_and_contents_are_told_apart() {
        let (zeroes, ones) = ([0; BLOCK_SIZE as usize], [1; BLOCK_SIZE as usize]);
        let blocks = [&zeroes, &zeroes, &ones, &ones, &ones, &zeroes].map(|it| &it[..]);
        let blocks = blocks.concat();
        let sums = [
            HOLE,
            sum(&zeroes),
            sum(&ones),
            sum(&ones),
            sum(&ones) ^ 1,
            HOLE,
        ];
        let digests = unpack(&pack(&sums, &blocks));
        assert_eq!(digests[0], Digest::Hole);
        assert_eq!(digests[5], Digest::Hole);
        assert!(matches!(digests[1], Digest::Holds(_)));
        assert_eq!(digests[2], digests[3]);
        assert_ne!(digests[1], digests[2]);
        assert_eq!(digests[4], Digest::Damaged);
    }

    #[test]
    fn a_hole_that_holds_something_is_damaged() {
        let block = [1; BLOCK_SIZE as usize];
        assert_eq!(unpack(&pack(&[HOLE], &block)), [Digest::Damaged]);
    }
}
