//! Which bytes take space in the pool: what a map is answered with.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::BLOCK_SIZE;
use crate::sums::HOLE;

/// The most runs of one answer; what is left is for the next one.
pub const MOST_RUNS: usize = 1024;

/// A run as bytes: its length u32, then 1 for a hole and 0 else.
const ENCODED: usize = 5;

/// Neighbouring bytes that all take space, or of which none does: those read zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// In bytes; not 0.
    pub length: u32,
    /// Takes no space.
    pub hole: bool,
}

/// The runs of an answer, in order; they tile what was asked about, or the first part of it.
pub fn runs(mut answer: Bytes) -> impl Iterator<Item = Run> {
    std::iter::from_fn(move || {
        let (length, hole) = (answer.try_get_u32_le().ok()?, answer.try_get_u8().ok()?);
        Some(Run {
            length,
            hole: hole != 0,
        })
    })
}

/// Runs as an answer: neighbours of one kind become one, and those after the first `most` are left
/// out.
pub(crate) fn answer(runs: impl IntoIterator<Item = Run>, most: usize) -> Bytes {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        let full = joined.len() == most;
        match joined.last_mut() {
            Some(last) if last.hole == run.hole => last.length += run.length,
            _ if full => break,
            _ => joined.push(run),
        }
    }
    let mut bytes = BytesMut::with_capacity(joined.len() * ENCODED);
    for run in joined {
        bytes.put_u32_le(run.length);
        bytes.put_u8(run.hole.into());
    }
    bytes.freeze()
}

/// The answer for bytes that all take space, or that nobody may take for zeroes.
pub(crate) fn taken(length: u32) -> Bytes {
    let hole = false;
    answer([Run { length, hole }], 1)
}

/// What a replica answers: `sums` are those of the blocks that `length` bytes touch, the first of
/// which lies `skip` bytes behind the start of its block.
pub(crate) fn of_sums(sums: &[u32], skip: u32, length: u32) -> Bytes {
    let block = BLOCK_SIZE as u32;
    let end = skip + length;
    let runs = sums.iter().enumerate().map(|(index, &sum)| {
        let start = index as u32 * block;
        Run {
            length: (start + block).min(end) - start.max(skip),
            hole: sum == HOLE,
        }
    });
    answer(runs, MOST_RUNS)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{MOST_RUNS, Run, answer, of_sums, runs};
    use crate::sums::HOLE;

    /// Whether each byte is in a hole.
    fn bytes(runs: impl Iterator<Item = Run>) -> Vec<bool> {
        runs.flat_map(|run| std::iter::repeat_n(run.hole, run.length as usize))
            .collect()
    }

    #[test]
    fn an_answer_has_no_more_runs_than_it_may() {
        let sums: Vec<u32> = (0..16_384).map(|block| block % 2).collect();
        let long = of_sums(&sums, 0, 64 << 20);
        assert_eq!(runs(long.clone()).count(), MOST_RUNS);
        let one: Vec<_> = runs(answer(runs(long), 1)).collect();
        let expected = Run {
            length: 4096,
            hole: true,
        };
        assert_eq!(one, [expected]);
    }

    proptest! {
        #[test]
        fn runs_tile_what_was_asked_about(
            holes in vec(any::<bool>(), 1..40),
            skip in 0..4096_u32,
            cut in 0..4096_u32,
        ) {
            let sums: Vec<u32> = holes.iter().map(|&hole| if hole { HOLE } else { 7 }).collect();
            let length = (sums.len() as u32 * 4096 - skip).saturating_sub(cut).max(1);
            let answer = of_sums(&sums, skip, length);
            let expected: Vec<bool> =
                (skip..skip + length).map(|byte| holes[byte as usize / 4096]).collect();
            prop_assert_eq!(bytes(runs(answer.clone())), expected);
            let kinds: Vec<bool> = runs(answer).map(|run| run.hole).collect();
            prop_assert!(kinds.windows(2).all(|pair| pair[0] != pair[1]));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..60)) {
            let length = bytes.len();
            prop_assert_eq!(runs(bytes.into()).count(), length / 5);
        }
    }
}
