//! The reserve: blocks that are held so that they can be given up when the pool is full. What frees space has
//! to be recorded in the log and folded into the index before it comes back, and both take some.
//!
//! Nothing is recorded before enough is held to fold it, together with all that is in memory already. So a
//! fold finds room, and what it frees is room for the next: a bucket can be emptied in a pool that is full. Not
//! covered: what is given up is anybody's, and another bucket may take it before the fold does; the fold is then
//! tried again every second, and goes on when something comes back from any of them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use volumed_client::{BlockDevice, DeviceError, Durability};

use crate::errors::ClosedError;
use crate::format::layout::{FOLD_RESERVE, FOLD_RESERVE_FOR_ROWS, LOG_RESERVE};
use crate::format::rows::Table;
use crate::index::IndexError;
use crate::index::reader::Reader;
use crate::shared::Shared;

/// What a fold takes of any rows: the pages on the way to them, for slices of the fewest rows.
const FOR_PAGES: u64 = 128 << 10;

/// Bytes of rows, as they are counted in memory, of which no more than one comes to the index: seen were 2.2.
const ROWS_TO_INDEX: u64 = 2;

/// How much is taken at once of the one range and of the other.
const STEPS: [u64; 2] = [128 << 10, 1 << 20];

const ALL_FOR_FOLDS: u64 = length(&FOLD_RESERVE) + length(&FOLD_RESERVE_FOR_ROWS);

/// How much of the reserve is held. Only the committer changes what is held for folds.
#[derive(Debug, Default)]
pub struct Reserve {
    for_log: AtomicBool,
    /// From the start of its two ranges.
    for_folds: AtomicU64,
}

impl Reserve {
    /// Whether what is given up for deletes is held.
    pub fn is_held(&self) -> bool {
        self.for_log.load(Ordering::Acquire)
    }

    /// Whether a fold of so many bytes of rows finds room in what is held.
    fn covers(&self, rows: usize) -> bool {
        let needed = FOR_PAGES + rows as u64 / ROWS_TO_INDEX;
        self.for_folds.load(Ordering::Acquire) >= needed.min(ALL_FOR_FOLDS)
    }
}

/// Takes the reserve for the log if there is something to delete: an empty bucket does without.
pub async fn hold_for_log_if_needed(shared: &Shared) -> Result<(), ClosedError> {
    if !shared.reserve.is_held() && shared.index.read(has_rows_to_delete).await? {
        hold_for_log(shared).await?;
    }
    Ok(())
}

/// Takes the reserve for the log, if there is room.
pub async fn hold_for_log(shared: &Shared) -> Result<(), DeviceError> {
    if !shared.reserve.is_held() && fill(shared, LOG_RESERVE).await? {
        shared.reserve.for_log.store(true, Ordering::Release);
    }
    Ok(())
}

/// Takes as much as a fold needs of what is in memory, and of `coming` bytes of rows; whether there was room.
pub async fn hold_for_fold(shared: &Shared, coming: usize) -> Result<bool, DeviceError> {
    while !shared
        .reserve
        .covers(shared.index.unfolded_bytes() + coming)
    {
        let held = shared.reserve.for_folds.load(Ordering::Acquire);
        let next = behind(held);
        let more = length(&next);
        if !fill(shared, next).await? {
            return Ok(false);
        }
        shared.reserve.for_folds.fetch_add(more, Ordering::AcqRel);
    }
    Ok(true)
}

/// What is taken next when so much is held for folds.
fn behind(held: u64) -> Range<u64> {
    let first = length(&FOLD_RESERVE);
    let (start, step) = if held < first {
        (FOLD_RESERVE.start + held, STEPS[0])
    } else {
        (FOLD_RESERVE_FOR_ROWS.start + held - first, STEPS[1])
    };
    start..start + step
}

/// Has blocks take space; whether there was room.
async fn fill(shared: &Shared, blocks: Range<u64>) -> Result<bool, DeviceError> {
    let filling = [vec![0xA5; length(&blocks) as usize].into()];
    let written = shared
        .data
        .write(blocks.start, &filling, Durability::Volatile);
    match written.await {
        Ok(()) => Ok(true),
        Err(DeviceError::NoSpace) => Ok(false),
        Err(error) => Err(error),
    }
}

fn has_rows_to_delete(reader: &Reader) -> Result<bool, IndexError> {
    for table in [Table::Objects, Table::Uploads] {
        if reader.cursor(table)?.next()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives up what is held for the log; whether there was any.
pub async fn release_for_log(shared: &Shared) -> Result<bool, DeviceError> {
    let held = shared.reserve.for_log.swap(false, Ordering::AcqRel);
    if held {
        trim(&*shared.data, LOG_RESERVE).await?;
    }
    Ok(held)
}

/// Gives up what is held for folds; whether there was any.
pub async fn release_for_fold(shared: &Shared) -> Result<bool, DeviceError> {
    release_for_many_rows(shared).await?;
    let held = shared.reserve.for_folds.swap(0, Ordering::AcqRel);
    if held > 0 {
        trim(&*shared.data, FOLD_RESERVE).await?;
    }
    Ok(held > 0)
}

/// Gives up what is held for more rows than a few.
pub async fn release_for_many_rows(shared: &Shared) -> Result<(), DeviceError> {
    let few = length(&FOLD_RESERVE);
    let held = shared.reserve.for_folds.fetch_min(few, Ordering::AcqRel);
    if held > few {
        trim(&*shared.data, FOLD_RESERVE_FOR_ROWS).await?;
    }
    Ok(())
}

/// Gives up what an earlier opening held for many rows.
pub async fn release_left(device: &dyn BlockDevice) -> Result<(), DeviceError> {
    trim(device, FOLD_RESERVE_FOR_ROWS).await
}

async fn trim(device: &dyn BlockDevice, blocks: Range<u64>) -> Result<(), DeviceError> {
    device.trim(blocks.start, length(&blocks)).await
}

const fn length(blocks: &Range<u64>) -> u64 {
    blocks.end - blocks.start
}
