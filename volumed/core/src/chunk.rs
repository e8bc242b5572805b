//! Blocks on their way from one replica to another, as they are: with the sums that they had, so that a
//! damaged block arrives as one that is known to be damaged (V10). Holes take no room.
//!
//! Packed: the sums of all blocks, a u32 each; how many of them are damaged, u32; their numbers, u32
//! each; then the blocks that are no holes. Little-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::BLOCK_SIZE;
use crate::sums::{HOLE, allocated, sum, verify};

/// The most bytes of an extent that are copied at once; chunks begin on a multiple of it.
pub const CHUNK_SIZE: u32 = 1 << 19;

const BLOCK: usize = BLOCK_SIZE as usize;

/// Whole blocks that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Of all blocks.
    pub sums: Vec<u32>,
    /// The numbers of those that do not match their sums, ascending.
    pub damaged: Vec<u32>,
    /// Those that are no holes.
    data: Bytes,
}

impl Chunk {
    /// Packs blocks that should have these sums. One that should be a hole and holds something gets a sum
    /// that it does not match, so that the damage goes along.
    pub fn pack(sums: &[u32], blocks: &[u8]) -> Bytes {
        let (mut arriving, mut damaged, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        for ((&expected, block), at) in sums.iter().zip(blocks.chunks(BLOCK)).zip(0..) {
            let well = verify(block, &[expected]).is_ok();
            let expected = match expected {
                HOLE if !well => !sum(block) | 1,
                expected => expected,
            };
            damaged.extend((!well).then_some(at));
            taken.extend((expected != HOLE).then_some(block));
            arriving.push(expected);
        }
        let room = (arriving.len() + 1 + damaged.len()) * 4 + taken.len() * BLOCK;
        let mut packed = BytesMut::with_capacity(room);
        let count = [damaged.len() as u32];
        for number in arriving.iter().chain(&count).chain(&damaged) {
            packed.put_u32_le(*number);
        }
        for block in taken {
            packed.put_slice(block);
        }
        packed.freeze()
    }

    /// What was packed of `count` blocks; `None` if these bytes are nothing of the kind.
    pub fn unpack(mut packed: Bytes, count: usize) -> Option<Self> {
        let packed = &mut packed;
        let sums = numbers(packed, count)?;
        let damaged = packed.try_get_u32_le().ok()? as usize;
        let damaged = numbers(packed, damaged)?;
        let ascending = damaged.is_sorted_by(|one, next| one < next);
        let within = damaged.last().is_none_or(|last| (*last as usize) < count);
        let whole = packed.len() == allocated(&sums) as usize * BLOCK;
        (ascending && within && whole).then(|| Self {
            sums,
            damaged,
            data: std::mem::take(packed),
        })
    }

    /// The first block that is not what was packed: damaged and not known to be, or the reverse.
    pub fn changed_on_the_way(&self) -> Option<u32> {
        let mut blocks = self.data.chunks(BLOCK);
        let mut differs = |(at, &sum): (usize, &u32)| {
            let holds = match sum {
                HOLE => true,
                sum => verify(blocks.next().unwrap_or_default(), &[sum]).is_ok(),
            };
            holds == self.damaged.binary_search(&(at as u32)).is_ok()
        };
        let found = self.sums.iter().enumerate().find(|pair| differs(*pair));
        found.map(|(at, _)| at as u32)
    }

    /// The damaged blocks, each with the sum of what it holds.
    pub fn found_damaged(&self) -> Vec<(u32, u32)> {
        let taken = (0..).zip(&self.sums).filter(|(_, mark)| **mark != HOLE);
        let held = taken.zip(self.data.chunks(BLOCK));
        let damaged = held.filter(|((at, _), _)| self.damaged.binary_search(at).is_ok());
        damaged.map(|((at, _), block)| (at, sum(block))).collect()
    }

    /// The same blocks, taken for good.
    pub(crate) fn summed_anew(mut self) -> Self {
        let mut blocks = self.data.chunks(BLOCK);
        for mark in self.sums.iter_mut().filter(|mark| **mark != HOLE) {
            *mark = sum(blocks.next().unwrap_or_default());
        }
        self.damaged.clear();
        self
    }

    /// The runs of holes: the first block's number, and how many there are.
    pub fn holes(&self) -> Vec<(u32, u32)> {
        let (mut runs, mut at) = (Vec::new(), 0);
        let same = |one: &u32, other: &u32| (*one == HOLE) == (*other == HOLE);
        for run in self.sums.chunk_by(same) {
            let count = run.len() as u32;
            if run[0] == HOLE {
                runs.push((at, count));
            }
            at += count;
        }
        runs
    }

    /// The runs of blocks that are no holes: the first block's number and the bytes of each run.
    pub fn runs(&self) -> Vec<(u32, Bytes)> {
        let (mut runs, mut at, mut taken) = (Vec::new(), 0, 0);
        let same = |one: &u32, other: &u32| (*one == HOLE) == (*other == HOLE);
        for run in self.sums.chunk_by(same) {
            if run[0] != HOLE {
                let end = taken + run.len() * BLOCK;
                runs.push((at, self.data.slice(taken..end)));
                taken = end;
            }
            at += run.len() as u32;
        }
        runs
    }
}

fn numbers(packed: &mut Bytes, count: usize) -> Option<Vec<u32>> {
    let bytes = count.checked_mul(4)?;
    if packed.len() < bytes {
        return None;
    }
    let taken = packed.split_to(bytes);
    let (numbers, _) = taken.as_chunks::<4>();
    Some(numbers.iter().map(|it| u32::from_le_bytes(*it)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Holes, whole blocks, damaged ones, and holes that hold something.
    fn some(kinds: &[u8]) -> (Vec<u32>, Vec<u8>) {
        let (mut sums, mut blocks) = (Vec::new(), Vec::new());
        for (at, &kind) in kinds.iter().enumerate() {
            let block = [if kind == 0 { 0 } else { at as u8 | 1 }; BLOCK];
            sums.push(match kind {
                0 | 3 => HOLE,
                1 => sum(&block),
                _ => !sum(&block) | 1,
            });
            blocks.extend_from_slice(&block);
        }
        (sums, blocks)
    }

    proptest! {
        #[test]
        fn blocks_arrive_as_they_were(kinds in proptest::collection::vec(0..4_u8, 1..64)) {
            let (sums, blocks) = some(&kinds);
            let chunk = Chunk::unpack(Chunk::pack(&sums, &blocks), kinds.len()).unwrap();
            prop_assert_eq!(chunk.changed_on_the_way(), None);
            let mut there = vec![0; blocks.len()];
            for (at, run) in chunk.runs() {
                let at = at as usize * BLOCK;
                there[at..at + run.len()].copy_from_slice(&run);
            }
            prop_assert_eq!(&there, &blocks);
            let holes = chunk.holes().iter().map(|(_, count)| *count).sum::<u32>();
            prop_assert_eq!(holes, chunk.sums.len() as u32 - allocated(&chunk.sums));
            for (at, &kind) in kinds.iter().enumerate() {
                let well = verify(&there[at * BLOCK..][..BLOCK], &chunk.sums[at..=at]).is_ok();
                prop_assert_eq!(well, kind < 2);
                prop_assert_eq!(well, !chunk.damaged.contains(&(at as u32)));
            }
        }

        #[test]
        fn a_bit_that_flips_on_the_way_is_noticed(
            kinds in proptest::collection::vec(1..3_u8, 1..16),
            bit: prop::sample::Index,
        ) {
            let (sums, blocks) = some(&kinds);
            let mut packed = Chunk::pack(&sums, &blocks).to_vec();
            let bit = bit.index(packed.len() * 8);
            packed[bit / 8] ^= 1 << (bit % 8);
            let chunk = Chunk::unpack(packed.into(), kinds.len());
            // Of a block that is damaged anyway, nobody can tell.
            let same = |chunk: &Chunk| {
                let damaged: Vec<_> = (0..).zip(&kinds).filter(|it| *it.1 == 2).map(|it| it.0).collect();
                chunk.damaged == damaged
            };
            prop_assert!(chunk.is_none_or(|it| it.changed_on_the_way().is_some() || same(&it)));
        }

        #[test]
        fn anything_may_arrive(bytes: Vec<u8>, count in 0..300_usize) {
            if let Some(chunk) = Chunk::unpack(Bytes::from(bytes), count) {
                chunk.changed_on_the_way();
                chunk.runs();
            }
        }
    }
}
