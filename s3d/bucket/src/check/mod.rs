//! Checking a bucket, and building its index anew: what `s3d bucket check`, `damage` and
//! `rebuild` do.

mod bytes;
mod damage;
mod names;
mod overlay;
mod rebuild;
mod references;
mod report;
mod salvage;

pub use damage::damage;
pub use rebuild::{RebuildReport, rebuild};
pub use report::{CheckReport, Problem};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::FutureExt as _;
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
    let mut report = CheckReport::default();
    let (opened, data) = open(devices, id, offload).await?;
    let Opened {
        index,
        applied,
        mark,
        index_length,
    } = match opened {
        Ok(opened) => opened,
        Err(IndexError(why)) => {
            report.note(None, format!("the index cannot be opened: {why}"));
            return Ok(report);
        }
    };
    report.index_length = index_length;
    let checked = match read_log(&index, &data, applied, &mut report).await {
        Ok(()) => {
            let checked = examine(&index, &data, mark, deep, report).await;
            checked.map_err(|error| OpenError::Index(error.to_string()))
        }
        Err(error) => Err(error),
    };
    close_index(&index).await;
    checked
}

/// A bucket that is only read.
struct Opened {
    index: Arc<Index>,
    /// Where the index is in the log.
    applied: Position,
    /// The high-water mark.
    mark: u64,
    /// Of the index, in bytes.
    index_length: u64,
}

/// Opens a bucket on a view of its volume that takes writes and forgets them; answers the view of its
/// data, too. An index that cannot be opened may be damaged; a volume that is out of reach says
/// nothing about it.
async fn open(
    devices: Devices,
    id: BucketId,
    offload: Offload,
) -> Result<(Result<Opened, IndexError>, Arc<dyn BlockDevice>), OpenError> {
    let data: Arc<dyn BlockDevice> = Arc::new(Overlay::new(devices.data));
    let below: Arc<dyn BlockDevice> = Arc::new(Overlay::new(devices.index));
    let superblock = Arc::new(Superblock::of(data.clone(), id).await?);
    let fields = superblock.fields();
    let device = below.clone();
    let opened = offload.run(move || {
        guarded(|| {
            let store = Store::open(device, superblock, CACHE, offload)?;
            Ok(Opened {
                applied: store.applied()?,
                index: Arc::new(Index::new(store, CACHE / 2, offload)?),
                mark: fields.mark,
                index_length: fields.index_lengths[fields.index_half],
            })
        })
    });
    let opened = opened.await;
    if opened.is_err() {
        below.read(0, BLOCK as usize).await?;
    }
    Ok((opened, data))
}

/// Applies what the log holds beyond the index. What cannot be read of it is a problem.
async fn read_log(
    index: &Arc<Index>,
    data: &Arc<dyn BlockDevice>,
    applied: Position,
    report: &mut CheckReport,
) -> Result<(), OpenError> {
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
    Ok(())
}

/// Runs what may meet a page that makes no sense, over which redb panics.
fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(IndexError("a page of it makes no sense".into())))
}

/// Closes an index that was only read, while the device below the overlay can still be read: a write
/// of a part of a block does.
async fn close_index(index: &Index) {
    // As with `close`, nothing is lost.
    let _ = AssertUnwindSafe(index.close()).catch_unwind().await;
}

/// Closes what was only read. It may meet damage there that no row led to; the overlay takes
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
