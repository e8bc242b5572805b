//! Checking a bucket, and building its index anew: what `s3d bucket check` and `rebuild` do.

mod bytes;
mod names;
mod overlay;
mod rebuild;
mod references;
mod report;
mod salvage;

pub use rebuild::{RebuildReport, rebuild};
pub use report::{CheckReport, Problem};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use volumed_client::{BlockDevice, DeviceError};

use crate::bucket::Devices;
use crate::errors::{ClosedError, OpenError};
use crate::format::layout::BLOCK;
use crate::format::superblock::{BucketId, Superblock};
use crate::index::store::Store;
use crate::index::{Index, IndexError};
use crate::log::position::Position;
use crate::log::replay::replay;
use crate::object::Timestamp;
use crate::offload::Offload;
use overlay::Overlay;

/// Memory for the index's pages while it is checked, in bytes.
const CACHE: usize = 32 << 20;

/// Checks a bucket that nobody has open, without changing a byte of its volume. `deep`: reads every
/// byte of every object, too.
pub async fn check(
    devices: Devices,
    id: BucketId,
    offload: Offload,
    deep: bool,
) -> Result<CheckReport, OpenError> {
    let data: Arc<dyn BlockDevice> = Arc::new(Overlay::new(devices.data));
    let below: Arc<dyn BlockDevice> = Arc::new(Overlay::new(devices.index));
    let superblock = Arc::new(Superblock::of(data.clone(), id).await?);
    let fields = superblock.fields();
    let mut report = CheckReport {
        index_length: fields.index_lengths[fields.index_half],
        ..CheckReport::default()
    };
    let device = below.clone();
    let opened = offload.run(move || {
        guarded(|| {
            let store = Store::open(device, superblock, CACHE, offload)?;
            let applied = store.applied()?;
            Ok((Arc::new(Index::new(store, CACHE / 2, offload)?), applied))
        })
    });
    let (index, applied) = match opened.await {
        Ok(opened) => opened,
        Err(IndexError(why)) => {
            // A volume that is out of reach says nothing about its index.
            below.read(0, BLOCK as usize).await?;
            report.note(None, format!("the index cannot be opened: {why}"));
            return Ok(report);
        }
    };
    let checked = check_opened(&index, &data, (applied, fields.mark), deep, report).await;
    close(index);
    checked
}

/// Checks what was opened. `applied`: where the index is in the log. `mark`: the high-water mark.
async fn check_opened(
    index: &Arc<Index>,
    data: &Arc<dyn BlockDevice>,
    (applied, mark): (Position, u64),
    deep: bool,
    mut report: CheckReport,
) -> Result<CheckReport, OpenError> {
    // Under any epoch: who had it last is of no matter.
    let replayed = replay(data, applied, u64::MAX, |_, group| {
        report.replayed_groups += 1;
        let time = Timestamp(group.link.time);
        index.apply(group.link.first_record, time, &group.records);
    });
    match replayed.await {
        Ok(_) => {}
        Err(OpenError::Device(DeviceError::Disconnected)) => {
            return Err(DeviceError::Disconnected.into());
        }
        Err(error) => report.note(None, format!("the log cannot be read: {error}")),
    }
    let checked = examine(index, data, mark, deep, report).await;
    checked.map_err(|error| OpenError::Index(error.to_string()))
}

/// Runs what may meet a page that makes no sense, over which redb panics.
fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(IndexError("a page of it makes no sense".into())))
}

/// Closes an index that was only read. It may meet damage there that no row led to; the overlay takes
/// what it writes, so nothing is lost.
fn close<T>(index: T) {
    let _ = guarded(|| {
        drop(index);
        Ok(())
    });
}

/// Checks the index as it is now, and with `deep` the bytes that it names.
pub async fn examine(
    index: &Arc<Index>,
    data: &Arc<dyn BlockDevice>,
    mark: u64,
    deep: bool,
    report: CheckReport,
) -> Result<CheckReport, ClosedError> {
    let walk = move |reader: &_| references::walk(reader, mark, deep, report.clone());
    let (mut report, spans) = index.read_at_one_moment(walk).await?;
    if deep {
        let damaged = bytes::damaged(data, spans, &mut report).await?;
        if !damaged.is_empty() {
            let name = move |reader: &_| references::keys_of(reader, &damaged);
            for (key, address) in index.read_at_one_moment(name).await? {
                report.note(Some(key), format!("bytes are damaged at {address}"));
            }
        }
    }
    Ok(report)
}
