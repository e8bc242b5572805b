//! A map: which bytes take space. What is not placed does not, and costs nothing to say.

use bytes::Bytes;

use crate::ExtentIndex;
use crate::map::{MOST_RUNS, Run, answer, runs};

use super::piece::Work;
use super::split::clip;
use super::{Head, HeadEffect, RequestId};

/// The most placed extents that one answer looks at: as many as have their sums in memory at once.
const MOST_EXTENTS: usize = 16;

impl Head {
    pub(super) fn map(
        &mut self,
        id: RequestId,
        (offset, end): (u64, u64),
        one: bool,
        effects: &mut Vec<HeadEffect>,
    ) {
        let known: Vec<ExtentIndex> = self.known_in(offset, end).into_iter().collect();
        let begins_unplaced = known.first().is_none_or(|first| first.start() > offset);
        let extents = if one {
            usize::from(!begins_unplaced)
        } else {
            MOST_EXTENTS
        };
        let end = known.get(extents).map_or(end, |next| next.start());
        let (mut works, mut parts, mut next) = (Vec::new(), Vec::new(), offset);
        for &extent in known.iter().take(extents) {
            let (from, to) = clip(extent, offset, end);
            parts.extend(hole(next, extent.start() + from));
            let (offset, length) = (from as u32, (to - from) as u32);
            works.push((parts.len(), extent, Work::Map { offset, length }));
            parts.push(Bytes::new());
            next = extent.start() + to;
        }
        parts.extend(hole(next, end));
        let most = if one { 1 } else { MOST_RUNS };
        self.begin(id, 0, works.into_iter(), parts, Some(most), effects);
    }
}

/// The answer for one extent that turned out not to be placed.
pub(super) fn unplaced(length: u32) -> Bytes {
    answer([Run { length, hole: true }], 1)
}

/// One answer of several.
pub(super) fn join(parts: Vec<Bytes>, most: usize) -> Bytes {
    answer(parts.into_iter().flat_map(runs), most)
}

fn hole(from: u64, to: u64) -> Option<Bytes> {
    (from < to).then(|| unplaced((to - from) as u32))
}
