//! What has to be copied to whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::chunk::CHUNK_SIZE;
use crate::digest::Digest;
use crate::{BLOCK_SIZE, DiskNumber};

const BLOCK: u32 = BLOCK_SIZE as u32;

/// Blocks that some replicas lack. Offsets are in blocks from the start of the extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub from: DiskNumber,
    pub to: BTreeSet<DiskNumber>,
    pub first: u32,
    pub count: u32,
}

impl Run {
    /// Its first byte, and how many there are.
    pub fn bytes(&self) -> (u32, u32) {
        (self.first * BLOCK, self.count * BLOCK)
    }
}

/// What has to be copied so that every disk holds, of each block, what the first of `truths` has that is not
/// damaged there.
pub fn runs(
    said: &BTreeMap<DiskNumber, Vec<Digest>>,
    disks: &[DiskNumber],
    truths: &[DiskNumber],
    first: u32,
    count: u32,
) -> VecDeque<Run> {
    let mut runs: VecDeque<Run> = VecDeque::new();
    let of = |disk: &DiskNumber, at: u32| {
        let digest = said.get(disk).and_then(|it| it.get(at as usize));
        digest.copied().unwrap_or(Digest::Damaged)
    };
    for at in 0..count {
        let well = |disk: &&DiskNumber| of(disk, at) != Digest::Damaged;
        let Some(&from) = truths.iter().find(well) else {
            continue;
        };
        let truth = of(&from, at);
        let to = disks.iter().filter(|disk| of(disk, at) != truth);
        let to: BTreeSet<_> = to.copied().collect();
        if to.is_empty() {
            continue;
        }
        match runs.back_mut() {
            Some(run)
                if run.first + run.count == first + at
                    && run.from == from
                    && run.to == to
                    && run.count < CHUNK_SIZE / BLOCK =>
            {
                run.count += 1;
            }
            _ => runs.push_back(Run {
                from,
                to,
                first: first + at,
                count: 1,
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: DiskNumber = DiskNumber(1);
    const B: DiskNumber = DiskNumber(2);

    fn said(a: &[u128], b: &[u128]) -> BTreeMap<DiskNumber, Vec<Digest>> {
        let digest = |it: &u128| match it {
            0 => Digest::Hole,
            1 => Digest::Damaged,
            &it => Digest::Holds(it),
        };
        let digests = |of: &[u128]| of.iter().map(digest).collect();
        BTreeMap::from([(A, digests(a)), (B, digests(b))])
    }

    #[test]
    fn the_first_is_followed_unless_it_is_damaged() {
        let said = said(&[5, 6, 7, 1, 1, 0, 9], &[5, 8, 8, 4, 1, 3, 1]);
        let found = runs(&said, &[A, B], &[A, B], 100, 7);
        let run = |from, to, first, count| Run {
            from,
            to: BTreeSet::from([to]),
            first,
            count,
        };
        assert_eq!(
            found,
            [run(A, B, 101, 2), run(B, A, 103, 1), run(A, B, 105, 2)]
        );
    }

    #[test]
    fn nothing_comes_from_a_disk_that_is_resynced() {
        let said = said(&[1, 5], &[4, 6]);
        let found = runs(&said, &[A, B], &[A], 0, 2);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].first, found[0].from), (1, A));
    }

    #[test]
    fn runs_are_no_longer_than_a_chunk() {
        let said = said(&[5; 300], &[6; 300]);
        let found = runs(&said, &[A, B], &[A, B], 0, 300);
        let counts: Vec<_> = found.iter().map(|run| run.count).collect();
        assert_eq!(counts, [128, 128, 44]);
    }
}
