//! Builds the index of a bucket anew.
//!
//! What can still be read of the old one is taken over, then the log is replayed from where it
//! begins (the records of the last checkpoint are kept in it), and what only repeats what objects
//! and parts say is made from them: counts, places and checksums of spans. The new index is written
//! to the other half of the index zone; the bucket is as it was until it is whole.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use volumed_client::BlockDevice;

use crate::CHECKED_RUN;
use crate::bucket::Devices;
use crate::check::guarded;
use crate::check::names::Names;
use crate::check::overlay::Overlay;
use crate::check::salvage::Salvage;
use crate::errors::OpenError;
use crate::format::crc::crc32c_of_runs;
use crate::format::layout::{DATA_ZONE, RUN};
use crate::format::redirect::Redirect;
use crate::format::rows::{
    Doomed, Freed, MovedSpan, Mutation, Row, Shares, Span, Table, blob_key, offset_key, offset_of,
    span_id, span_key,
};
use crate::format::superblock::{BucketId, Superblock};
use crate::index::reader::Reader;
use crate::index::store::Store;
use crate::index::{Index, IndexError};
use crate::log::position::Position;
use crate::log::replay::replay;
use crate::object::{SpanId, Timestamp};
use crate::offload::Offload;

/// Memory for the pages of each index, in bytes.
const CACHE: usize = 32 << 20;

/// Rows of a memtable that is folded.
const ROWS: usize = 16_000;

/// What building an index anew came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Rows taken over from the old index.
    pub rows: u64,
    /// Places in the old index that could not be read: what stood there is there again only if the
    /// log holds it.
    pub damaged_places: u64,
    /// Log groups that were replayed.
    pub replayed_groups: u64,
    /// Spans whose rows were lost and made from their bytes.
    pub spans_restored: u64,
    /// Spans of which not even the bytes could be read: objects that name them are damaged.
    pub spans_damaged: u64,
    /// Spans that nothing names any more, whose space is given back: the rows that named them were
    /// lost.
    pub spans_orphaned: u64,
    /// Bytes of these.
    pub orphaned_bytes: u64,
}

/// Builds the index of a bucket anew, which nobody may have open. `epoch`: of the attachment.
pub async fn rebuild(
    devices: Devices,
    id: BucketId,
    epoch: u64,
    offload: Offload,
) -> Result<RebuildReport, OpenError> {
    let superblock = Arc::new(Superblock::of(devices.data.clone(), id).await?);
    let fields = superblock.fields();
    superblock.change(|fields| fields.epoch = epoch).await?;
    let mut report = RebuildReport::default();
    let failed = |error: IndexError| OpenError::Index(error.0);

    let (below, target) = (devices.index.clone(), superblock.clone());
    let taking = offload.run(move || take_over(below, target, offload));
    let (index, applied, taken) = taking.await.map_err(failed)?;
    (report.rows, report.damaged_places) = taken;
    let log_from = Position::decode(&fields.log_from);
    let position = replay_all(
        &devices.data,
        &index,
        [log_from, applied],
        epoch,
        &mut report,
    )
    .await?;
    let index = Arc::new(index);
    let position = Position {
        // Nothing is TRIMmed on the word of a new index alone but what it marks freed.
        floor: fields.mark,
        ..position
    };
    fold(&index, position, offload).await.map_err(failed)?;
    restore_arrivals(&index, position, offload)
        .await
        .map_err(failed)?;
    restore_spans(&index, &devices.data, position, offload, &mut report).await?;
    let publishing = index.clone();
    offload
        .run(move || publishing.store().publish())
        .await
        .map_err(failed)?;
    Ok(report)
}

/// An index in the other half with every row that can be read of this one; where this one was in
/// the log, if that can be read; rows and damaged places.
type TakenOver = (Index, Option<Position>, (u64, u64));

fn take_over(
    device: Arc<dyn BlockDevice>,
    superblock: Arc<Superblock>,
    offload: Offload,
) -> Result<TakenOver, IndexError> {
    // Opening the old one must not change it: if this fails it is tried again.
    let overlay: Arc<dyn BlockDevice> = Arc::new(Overlay::new(device.clone()));
    let shadow = Superblock::new(overlay.clone(), superblock.fields());
    let shadow = Arc::new(shadow);
    let open = || Store::open(overlay.clone(), shadow.clone(), CACHE, offload);
    let applied = guarded(|| open()?.applied()).ok();
    let store = Store::begin_in_other_half(device, superblock, CACHE, offload)?;
    let mut salvage = Salvage::new(open);
    let mut rows = 0;
    store.import(|table, insert| {
        salvage.rows(table, |key, value| {
            rows += 1;
            insert(key, value)
        })
    })?;
    let damaged = salvage.damaged;
    Ok((
        Index::new(store, CACHE / 2, offload)?,
        applied,
        (rows, damaged),
    ))
}

/// Replays the log from the earliest position at which it is whole.
async fn replay_all(
    data: &Arc<dyn BlockDevice>,
    index: &Index,
    starts: [Option<Position>; 2],
    epoch: u64,
    report: &mut RebuildReport,
) -> Result<Position, OpenError> {
    let mut reached: Option<Position> = None;
    for start in starts.into_iter().flatten() {
        if reached.is_some_and(|reached| reached.sequence >= start.sequence) {
            break;
        }
        let replayed = replay(data, start, epoch, |_, group| {
            report.replayed_groups += 1;
            let time = Timestamp(group.link.time);
            index.apply(group.link.first_record, time, &group.records);
        });
        reached = Some(replayed.await?);
    }
    reached.ok_or_else(|| {
        OpenError::Index("neither the index nor the superblock says where the log is".into())
    })
}

async fn fold(index: &Arc<Index>, position: Position, offload: Offload) -> Result<(), IndexError> {
    let index = index.clone();
    let folding = offload.run(move || index.fold(&index.freeze(), &position));
    folding.await.map_err(|error| IndexError(error.to_string()))
}

/// Gives objects that a prefix rename set aside their places, if nothing is left of the redirect. It
/// was written with the last checkpoint, so the log must be damaged, too.
async fn restore_arrivals(
    index: &Arc<Index>,
    position: Position,
    offload: Offload,
) -> Result<(), IndexError> {
    if index.is_redirected() {
        return Ok(());
    }
    let restored = index.read(|reader| {
        // No redirect, first of all: such a record makes no event of the feed.
        let mut changes = vec![Redirect::row(None)];
        let mut arrivals = reader.row_cursor(Table::Arrivals)?;
        while let Some((key, value)) = arrivals.next()? {
            changes.push(set(Table::Arrivals, key.clone(), None));
            changes.push(set(Table::Objects, key, Some(value)));
        }
        Ok(changes)
    });
    let restored = restored.await?;
    if restored.len() > 1 {
        index.apply(position.next_record, Timestamp(0), &[restored]);
        fold(index, position, offload).await?;
    }
    Ok(())
}

/// Makes the rows of spans agree with the objects and parts.
async fn restore_spans(
    index: &Arc<Index>,
    data: &Arc<dyn BlockDevice>,
    position: Position,
    offload: Offload,
    report: &mut RebuildReport,
) -> Result<(), OpenError> {
    let failed = |error: IndexError| OpenError::Index(error.0);
    let compared = index.read(compare).await.map_err(failed)?;
    report.spans_orphaned = compared.orphaned.0;
    report.orphaned_bytes = compared.orphaned.1;
    let mut changes = compared.changes;
    for missing in compared.missing {
        let Missing { id, offset, length } = missing;
        let sums = sums_of(data, offset, length).await?;
        report.spans_restored += u64::from(sums.is_some());
        report.spans_damaged += u64::from(sums.is_none());
        // Without a checksum that fits, who reads the span learns that it is damaged.
        let sums = sums.unwrap_or_else(|| vec![0; length.div_ceil(CHECKED_RUN) as usize]);
        let span = Span {
            offset,
            length,
            sums,
        };
        changes.push(set(Table::Spans, span_key(id), Some(span.encode())));
    }
    for chunk in changes.chunks(ROWS) {
        // No object changes: the records make no event of the feed.
        index.apply(position.next_record, Timestamp(0), &[chunk.to_vec()]);
        fold(index, position, offload).await.map_err(failed)?;
    }
    Ok(())
}

#[derive(Default)]
struct Compared {
    changes: Vec<Mutation>,
    missing: Vec<Missing>,
    orphaned: (u64, u64),
}

/// A span without a row.
struct Missing {
    id: SpanId,
    offset: u64,
    /// As far as it is named.
    length: u64,
}

fn set(table: Table, key: Bytes, value: Option<Bytes>) -> Mutation {
    Mutation { table, key, value }
}

fn compare(reader: &Reader) -> Result<Compared, IndexError> {
    let names = Names::read(reader)?;
    let mut compared = Compared::default();
    let mut missing = names.spans.clone();
    let mut rows = reader.cursor(Table::Spans)?;
    while let Some((row, value)) = rows.next()? {
        let (id, span) = (span_id(&row)?, Span::decode(&value)?);
        let freed = reader.get(Table::Freed, &row)?.is_some();
        match (missing.remove(&id), freed) {
            (Some(_), true) => compared.changes.push(set(Table::Freed, row, None)),
            (None, false) => {
                compared.orphaned.0 += 1;
                compared.orphaned.1 += span.length;
                compared
                    .changes
                    .push(set(Table::Freed, row, Some(Freed.encode())));
            }
            _ => {}
        }
        if span.offset != id.0 {
            let place = (offset_key(span.offset), MovedSpan(id).encode());
            compared
                .changes
                .push(set(Table::Moved, place.0, Some(place.1)));
        }
    }
    let moved = moved(reader)?;
    let missing = missing.into_iter().map(|(id, named)| Missing {
        id,
        offset: moved.get(&id).copied().unwrap_or(id.0),
        length: named.end,
    });
    compared.missing = missing.collect();
    count_anew(reader, &names, &mut compared.changes)?;
    Ok(compared)
}

/// Makes every count what it must be.
fn count_anew(
    reader: &Reader,
    names: &Names,
    changes: &mut Vec<Mutation>,
) -> Result<(), IndexError> {
    let spans = names
        .spans
        .iter()
        .map(|(id, named)| (span_key(*id), named.slices));
    let blobs = names
        .blobs
        .iter()
        .map(|(id, count)| (blob_key(*id), *count));
    for (table, counts) in [
        (Table::Shares, spans.collect::<Vec<_>>()),
        (Table::BlobShares, blobs.collect()),
    ] {
        for (key, count) in counts {
            let row = (count > 1).then(|| Shares(count).encode());
            if reader.get(table, &key)? != row {
                changes.push(set(table, key, row));
            }
        }
    }
    for (id, count) in &names.blobs {
        if *count == 0 {
            changes.push(set(
                Table::Doomed,
                Doomed::Blob(*id).key(),
                Some(().encode()),
            ));
        }
    }
    changes.push(set(
        Table::Totals,
        Bytes::new(),
        Some(names.totals.encode()),
    ));
    Ok(())
}

/// Where spans were moved to.
fn moved(reader: &Reader) -> Result<HashMap<SpanId, u64>, IndexError> {
    let mut moved = HashMap::new();
    let mut rows = reader.cursor(Table::Moved)?;
    while let Some((row, value)) = rows.next()? {
        moved.insert(MovedSpan::decode(&value)?.0, offset_of(&row)?);
    }
    Ok(moved)
}

/// The checksums of bytes at an offset of the data zone; `None` when they cannot be read.
async fn sums_of(
    data: &Arc<dyn BlockDevice>,
    offset: u64,
    length: u64,
) -> Result<Option<Vec<u32>>, OpenError> {
    let mut sums = Vec::new();
    for at in (0..length).step_by(RUN) {
        let part = (length - at).min(RUN as u64) as usize;
        match data.read(DATA_ZONE + offset + at, part).await {
            Ok(bytes) => sums.extend(crc32c_of_runs(&[bytes], CHECKED_RUN as usize)),
            Err(volumed_client::DeviceError::Io) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(sums))
}
