//! Extents that were lost with a disk.
//!
//! That a disk left the pool is one record, however much was on it: an extent is lost whose placement
//! names no disk of the pool any more. When it is placed anew, the same transaction notes which of
//! its blocks are lost, and each one is taken out once what replaces it is durable.

use std::collections::BTreeMap;
use std::ops::Range;

use volumed_core::{ExtentIndex, LostBlocks, VolumeId};
use volumed_meta::{Change, Compare, Entry, MetaStore, Outcome};

use crate::error::{PlacementsError, RecordError};
use crate::store::records::{LostRecord, VERSION, decode, encode, last_part, lost_key, unreadable};

pub(crate) type Lost = BTreeMap<ExtentIndex, LostBlocks>;

/// What the store has of an extent that was placed anew.
pub(crate) fn read(entry: &Entry) -> Result<(ExtentIndex, LostBlocks), RecordError> {
    let extent = last_part(&entry.key).parse();
    let extent = extent.map_err(|error| unreadable(&entry.key, error))?;
    Ok((ExtentIndex(extent), blocks_of(entry)?))
}

/// The change that notes what is lost of an extent.
pub(crate) fn note(volume: VolumeId, extent: ExtentIndex, lost: &LostBlocks) -> Change {
    let key = lost_key(volume, extent);
    if lost.is_empty() {
        return Change::Delete(key);
    }
    let record = LostRecord {
        version: VERSION,
        runs: lost.runs().collect(),
    };
    Change::Put(key, encode(&record))
}

fn blocks_of(entry: &Entry) -> Result<LostBlocks, RecordError> {
    let record: LostRecord = decode(entry)?;
    let blocks = LostBlocks::from_runs(record.runs);
    blocks.ok_or_else(|| unreadable(&entry.key, "its runs are not ascending or too long"))
}

/// Blocks of an extent are well, durably.
pub(crate) async fn take_out(
    store: &dyn MetaStore,
    volume: VolumeId,
    extent: ExtentIndex,
    blocks: &Range<u32>,
) -> Result<(), PlacementsError> {
    while let Some(entry) = store.get(&lost_key(volume, extent)).await? {
        let mut lost = blocks_of(&entry)?;
        lost.mend(blocks);
        let same = Compare::Unchanged(entry.key, entry.modified);
        let change = note(volume, extent, &lost);
        if let Outcome::Committed(_) = store.transact(vec![same], vec![change]).await? {
            break;
        }
    }
    Ok(())
}
