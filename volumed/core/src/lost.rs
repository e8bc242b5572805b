//! Blocks that were lost with a disk. What was written there is nowhere any more, so reading them is an
//! error, never zeroes, until they are written whole or made zero.

use std::ops::Range;

use crate::BLOCKS_PER_EXTENT;

/// Lost blocks of one extent, which count from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostBlocks {
    /// Ascending; none is empty, and no two touch.
    runs: Vec<Range<u32>>,
}

impl LostBlocks {
    /// The whole extent.
    pub fn all() -> Self {
        let all = 0..BLOCKS_PER_EXTENT;
        Self { runs: vec![all] }
    }

    /// From runs, each its first block and how many there are; nothing unless they are ascending and
    /// apart, and lie within an extent.
    pub fn from_runs(runs: impl IntoIterator<Item = (u32, u32)>) -> Option<Self> {
        let (mut apart, mut next) = (Vec::new(), 0);
        for (first, count) in runs {
            let end = first
                .checked_add(count)
                .filter(|end| *end <= BLOCKS_PER_EXTENT)?;
            if count == 0 || first < next {
                return None;
            }
            next = end + 1;
            apart.push(first..end);
        }
        Some(Self { runs: apart })
    }

    /// The runs, each its first block and how many there are.
    pub fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.runs.iter().map(|run| (run.start, run.len() as u32))
    }

    /// How many blocks are lost.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.len() as u64).sum()
    }

    /// Whether none is lost any more.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether one of these is lost.
    pub fn any_in(&self, blocks: &Range<u32>) -> bool {
        let behind = self.runs.partition_point(|run| run.end <= blocks.start);
        self.runs
            .get(behind)
            .is_some_and(|run| !blocks.is_empty() && run.start < blocks.end)
    }

    /// These hold something again.
    pub fn mend(&mut self, blocks: &Range<u32>) {
        let around = |run: Range<u32>| {
            let before = run.start..run.end.min(blocks.start);
            let behind = run.start.max(blocks.end)..run.end;
            [before, behind].into_iter().filter(|run| !run.is_empty())
        };
        self.runs = self.runs.drain(..).flat_map(around).collect();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_that_touch_cross_or_leave_the_extent_are_refused() {
        let may = |runs: &[(u32, u32)]| LostBlocks::from_runs(runs.iter().copied()).is_some();
        assert!(may(&[]) && may(&[(0, 1), (2, 1)]) && may(&[(0, BLOCKS_PER_EXTENT)]));
        for wrong in [
            vec![(0, 0)],
            vec![(0, 1), (1, 1)],
            vec![(4, 2), (5, 1)],
            vec![(4, 1), (0, 1)],
            vec![(BLOCKS_PER_EXTENT, 1)],
            vec![(1, u32::MAX)],
        ] {
            assert!(!may(&wrong), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn mending_takes_just_these_blocks_out(
            mended in vec((0..BLOCKS_PER_EXTENT, 1..3000_u32), 0..20),
            asked in (0..BLOCKS_PER_EXTENT, 0..3000_u32),
        ) {
            let range = |(first, count): (u32, u32)| first..(first + count).min(BLOCKS_PER_EXTENT);
            let mut lost = LostBlocks::all();
            let mut model: BTreeSet<u32> = (0..BLOCKS_PER_EXTENT).collect();
            for blocks in mended.into_iter().map(range) {
                lost.mend(&blocks);
                model.retain(|block| !blocks.contains(block));
            }
            prop_assert_eq!(lost.count(), model.len() as u64);
            prop_assert_eq!(lost.is_empty(), model.is_empty());
            let asked = range(asked);
            let any = model.range(asked.clone()).next().is_some();
            prop_assert_eq!(lost.any_in(&asked), any);
            let blocks = lost.runs().flat_map(|(first, count)| first..first + count);
            prop_assert!(blocks.eq(model));
            prop_assert_eq!(LostBlocks::from_runs(lost.runs()), Some(lost));
        }
    }
}
