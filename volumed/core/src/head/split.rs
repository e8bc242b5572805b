//! A client's request becomes pieces, none of which crosses an extent or carries more bytes than a
//! message may.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::message::MOST_DATA;
use crate::rules::Rule;
use crate::{BLOCK_SIZE, EXTENT_SIZE, ExtentIndex, IoError, Request};

use super::piece::{Piece, Work};
use super::{Head, HeadEffect, Pending, RequestId};

/// Zeroes for the blocks that are made zero only in part.
static ZEROES: [u8; BLOCK_SIZE as usize] = [0; BLOCK_SIZE as usize];

impl Head {
    pub(super) fn request(
        &mut self,
        id: RequestId,
        request: Request,
        effects: &mut Vec<HeadEffect>,
    ) {
        let (offset, length) = match &request {
            Request::Flush => return self.flush(id, effects),
            Request::Read { offset, length } | Request::Map { offset, length, .. } => {
                (*offset, u64::from(*length))
            }
            Request::Write { offset, data, .. } => (*offset, data.len() as u64),
            Request::Trim { offset, length, .. } | Request::WriteZeroes { offset, length, .. } => {
                (*offset, *length)
            }
        };
        let Some(end) = offset.checked_add(length).filter(|&end| end <= self.size.0) else {
            return effects.push(HeadEffect::Reply(id, Err(IoError::Invalid)));
        };
        let works = match request {
            Request::Map { one, .. } => return self.map(id, (offset, end), one, effects),
            Request::Read { .. } => return self.read(id, offset, end, effects),
            Request::Write { data, fua, .. } => write_works(offset, &data, fua),
            Request::WriteZeroes {
                fua, no_hole: true, ..
            } => zero_works(offset, end, fua),
            Request::Trim { fua, .. } | Request::WriteZeroes { fua, .. } => {
                self.hole_works(offset, end, fua)
            }
            Request::Flush => return,
        };
        let claims = works.iter().filter(|(_, work)| work.needs_space()).count();
        let works = works.into_iter().map(|(extent, work)| (0, extent, work));
        self.begin(id, claims, works, Vec::new(), None, effects);
    }

    fn read(&mut self, id: RequestId, offset: u64, end: u64, effects: &mut Vec<HeadEffect>) {
        let works = read_works(offset, end).into_iter().enumerate();
        let works = works.map(|(part, (extent, work))| (part, extent, work));
        let parts = vec![Bytes::new(); works.len()];
        self.begin(id, 0, works, parts, None, effects);
    }

    /// Begins the pieces of a request, `claims` of which need space; each names its place among the
    /// parts of the answer, if it has any.
    pub(super) fn begin(
        &mut self,
        id: RequestId,
        claims: usize,
        works: impl ExactSizeIterator<Item = (usize, ExtentIndex, Work)>,
        parts: Vec<Bytes>,
        most_runs: Option<usize>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let pending = Pending {
            remaining: works.len(),
            error: None,
            claims,
            claiming: Vec::new(),
            parts,
            most_runs,
        };
        if works.len() == 0 {
            return effects.push(HeadEffect::Reply(id, pending.reply()));
        }
        self.requests.insert(id, pending);
        for (part, extent, work) in works {
            let op = self.new_op();
            let piece = Piece::new(Some(id), part, extent, work);
            let changes = piece.work.changes() && self.rules.kept(Rule::Order);
            self.lanes.enter(extent, op, piece.blocks(), changes);
            self.pieces.insert(op, piece);
            self.advance(op, effects);
        }
    }

    /// What is not placed is a hole already; what is covered whole goes by removing its record.
    fn hole_works(&self, offset: u64, end: u64, durable: bool) -> Vec<(ExtentIndex, Work)> {
        let mut works = Vec::new();
        for extent in self.known_in(offset, end) {
            let (from, to) = clip(extent, offset, end);
            let whole = from == 0 && (to == EXTENT_SIZE || extent.start() + to == self.size.0);
            if whole {
                works.push((extent, Work::Unplace));
            } else {
                zero_extent(extent, from, to, durable, false, &mut works);
            }
        }
        works
    }

    /// The extents of a range that are not holes for sure.
    pub(super) fn known_in(&self, offset: u64, end: u64) -> BTreeSet<ExtentIndex> {
        if offset == end {
            return BTreeSet::new();
        }
        let range = ExtentIndex::of(offset)..=ExtentIndex::of(end - 1);
        let mut known = self.extents.known_in(range.clone());
        // One that is being freed may be written again by what came before this.
        known.extend(self.lanes.busy_in(range));
        known
    }
}

fn extents(offset: u64, end: u64) -> impl Iterator<Item = ExtentIndex> {
    (offset / EXTENT_SIZE..end.div_ceil(EXTENT_SIZE)).map(ExtentIndex)
}

/// The part of a range that lies in an extent, in bytes from the extent's start.
pub(super) fn clip(extent: ExtentIndex, offset: u64, end: u64) -> (u64, u64) {
    let start = extent.start();
    (offset.max(start) - start, (end - start).min(EXTENT_SIZE))
}

/// The parts of a range that messages carry, none longer than they may be: which extent each lies in,
/// and its range there. Two of them share no block, or the second would wait for the first.
fn carried(offset: u64, end: u64) -> impl Iterator<Item = (ExtentIndex, u64, u64)> {
    let mut next = offset;
    std::iter::from_fn(move || {
        let start = next;
        let extent = ExtentIndex::of(start);
        let furthest = start / BLOCK_SIZE * BLOCK_SIZE + u64::from(MOST_DATA);
        next = furthest.min(extent.start() + EXTENT_SIZE).min(end);
        (start < end).then(|| (extent, start - extent.start(), next - extent.start()))
    })
}

fn read_works(offset: u64, end: u64) -> Vec<(ExtentIndex, Work)> {
    let read = |(extent, from, to)| {
        let (offset, length) = (from as u32, (to - from) as u32);
        (extent, Work::Read { offset, length })
    };
    carried(offset, end).map(read).collect()
}

fn write_works(offset: u64, data: &Bytes, durable: bool) -> Vec<(ExtentIndex, Work)> {
    let end = offset + data.len() as u64;
    let write = |(extent, from, to): (ExtentIndex, u64, u64)| {
        let start = (extent.start() + from - offset) as usize;
        let data = data.slice(start..start + (to - from) as usize);
        let work = Work::Write {
            offset: from as u32,
            data,
            durable,
            clear: false,
        };
        (extent, work)
    };
    carried(offset, end).map(write).collect()
}

fn zero_works(offset: u64, end: u64, durable: bool) -> Vec<(ExtentIndex, Work)> {
    let mut works = Vec::new();
    if offset < end {
        for extent in extents(offset, end) {
            let (from, to) = clip(extent, offset, end);
            zero_extent(extent, from, to, durable, true, &mut works);
        }
    }
    works
}

/// Whole blocks are zeroed as such; the edges are written.
fn zero_extent(
    extent: ExtentIndex,
    from: u64,
    to: u64,
    durable: bool,
    keep: bool,
    works: &mut Vec<(ExtentIndex, Work)>,
) {
    let edge = |from: u64, to: u64| {
        let data = Bytes::from_static(&ZEROES[..(to - from) as usize]);
        (
            extent,
            Work::Write {
                offset: from as u32,
                data,
                durable,
                clear: !keep,
            },
        )
    };
    let (first, last) = (
        from.next_multiple_of(BLOCK_SIZE),
        to / BLOCK_SIZE * BLOCK_SIZE,
    );
    if first > last {
        works.push(edge(from, to));
        return;
    }
    if from < first {
        works.push(edge(from, first));
    }
    if first < last {
        let (offset, length) = (first as u32, (last - first) as u32);
        works.push((
            extent,
            Work::Zero {
                offset,
                length,
                durable,
                keep,
            },
        ));
    }
    if last < to {
        works.push(edge(last, to));
    }
}
