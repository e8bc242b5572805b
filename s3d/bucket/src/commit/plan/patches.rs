//! Writing into objects and behind them. What it costs depends on what is written, and not on the size
//! of the object.
//!
//! The object names its bytes piece by piece. When there are many pieces, those in a row become a
//! stored blob; as a stored blob never changes, whoever reads what the object was reads on.

use std::iter;
use std::ops::Range;

use super::{BatchPlanner, Planned, check};
use crate::attributes::Attributes;
use crate::blob::pieces;
use crate::commit::change::Done;
use crate::commit::view::RowView;
use crate::condition::{Condition, Precondition};
use crate::errors::ChangeError;
use crate::format::rows::{Row, Table, object_key};
use crate::object::{Blob, BlobId, Key, Object, Piece, StoredBlob};
use crate::requests::{Addition, Body, Patch};

/// An object names at most this many pieces: its row is written anew with each change. The simulation
/// changes less.
pub const MAX_PIECES: usize = if cfg!(feature = "breakable") { 6 } else { 512 };

/// There are so many left when pieces were stored.
const LEFT: usize = MAX_PIECES * 7 / 8;

/// About how many slices are stored at once, if that is enough: they are written anew, and those that
/// were stored before are counted anew.
const RUN: u64 = if cfg!(feature = "breakable") { 4 } else { 256 };

/// The ids of the stored blobs that one record makes are this far apart, and more than there are
/// records.
const NEXT_ID: u64 = 1 << 48;

impl<V: RowView> BatchPlanner<'_, V> {
    pub(super) fn append(
        &mut self,
        key: &Key,
        addition: &Addition,
        body: &Body,
        condition: &Condition,
    ) -> Planned<Done> {
        let old = self.object(&object_key(key))?;
        check(condition, old.as_ref())?;
        // Before the object is compared: of several that append at once, all but the first meet this.
        let object = old.filter(|old| old.size == addition.offset);
        let object = object.ok_or(ChangeError::WriteOffset)?;
        let patch = Patch {
            ranges: iter::once(object.size..object.size + body.length()).collect(),
            onto: addition.onto,
            etag: addition.etag.clone(),
            checksum: addition.checksum.clone(),
            headers: None,
            metadata: None,
        };
        self.write_into(key, object, &patch, body)
    }

    pub(super) fn patch(
        &mut self,
        key: &Key,
        patch: &Patch,
        body: &Body,
        condition: &Condition,
    ) -> Planned<Done> {
        let old = self.object(&object_key(key))?;
        check(condition, old.as_ref())?;
        let object = old.ok_or(ChangeError::NoSuchKey)?;
        check_ranges(&patch.ranges, object.size, body.length())?;
        self.write_into(key, object, patch, body)
    }

    fn write_into(
        &mut self,
        key: &Key,
        object: Object,
        patch: &Patch,
        body: &Body,
    ) -> Planned<Done> {
        if object.sequence != patch.onto {
            return Err(ChangeError::ConditionFailed(Precondition::Sequence).into());
        }
        let end = patch.ranges.last().map_or(0, |range| range.end);
        let size = object.size.max(end);
        self.count_object(Some(&object), Some(size))?;
        let blob = self.rewrite(object.blob, object.size, &patch.ranges, body)?;
        let before = object.attributes;
        let object = Object {
            size,
            modified: self.context.now,
            sequence: self.sequence(),
            attributes: Attributes {
                etag: patch.etag.clone(),
                checksum: patch.checksum.clone(),
                headers: patch.headers.clone().unwrap_or(before.headers),
                metadata: patch.metadata.clone().unwrap_or(before.metadata),
                ..before
            },
            upload: None,
            parts: Vec::new(),
            blob,
        };
        self.set(Table::Objects, object_key(key), Some(object.encode()));
        Ok(Done::Stored(Box::new(object)))
    }

    /// A blob with other bytes in some ranges. The references of both are counted.
    fn rewrite(
        &mut self,
        blob: Blob,
        length: u64,
        ranges: &[Range<u64>],
        body: &Body,
    ) -> Planned<Blob> {
        let mut before = self.pieces(blob, length)?;
        let fresh = self.take_slices(body)?;
        let written = pieces::write(&before, ranges, &fresh);
        // What is new is named once from the beginning.
        before.extend(fresh.into_iter().map(Piece::Slice));
        let after = self.store_runs(written, &mut before)?;
        self.replace_pieces(&before, &after)?;
        Ok(pieces::blob(after))
    }

    fn pieces(&self, blob: Blob, length: u64) -> Planned<Vec<Piece>> {
        Ok(match blob {
            Blob::Inline(slices) => slices.into_iter().map(Piece::Slice).collect(),
            Blob::Stored(id) => {
                let rows = self.stored_rows(id)?;
                let slices = rows.iter().map(|(_, held)| held.0.len()).sum::<usize>();
                let slices = u32::try_from(slices).unwrap_or(u32::MAX);
                vec![whole(StoredBlob { id, length, slices })]
            }
            Blob::Pieces(pieces) => pieces,
        })
    }

    /// Stores runs of pieces, if there are too many; `fresh` takes what was made for it.
    fn store_runs(
        &mut self,
        mut pieces: Vec<Piece>,
        fresh: &mut Vec<Piece>,
    ) -> Planned<Vec<Piece>> {
        let mut id = self.sequence();
        let mut budget = RUN;
        while pieces.len()
            > if id == self.sequence() {
                MAX_PIECES
            } else {
                LEFT
            }
        {
            let Some(run) = pieces::run(&pieces, budget) else {
                budget *= 2;
                continue;
            };
            let slices = self.slices_of(&pieces[run.clone()])?;
            let stored = whole(self.store(BlobId(id), &slices));
            self.count_references(&slices, 1);
            fresh.push(stored.clone());
            pieces.splice(run, [stored]);
            id += NEXT_ID;
        }
        Ok(pieces)
    }
}

fn whole(blob: StoredBlob) -> Piece {
    let range = 0..blob.length;
    Piece::Stored { blob, range }
}

/// Each range begins behind the one before, and within the object or at its end; together they take
/// all bytes.
fn check_ranges(ranges: &[Range<u64>], size: u64, bytes: u64) -> Result<(), ChangeError> {
    let (mut end, mut total) = (0, 0_u64);
    for range in ranges {
        if range.start < end || range.start > size.max(end) || range.end <= range.start {
            return Err(ChangeError::InvalidRange);
        }
        total += range.end - range.start;
        end = range.end;
    }
    if ranges.is_empty() || total != bytes {
        return Err(ChangeError::InvalidRange);
    }
    Ok(())
}
