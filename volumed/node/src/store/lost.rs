//! Extents that were lost with a disk.
//!
//! That a disk left the pool is one record, however much was on it: an extent is lost whose placement
//! names no disk of the pool any more. When it is placed anew, the same transaction notes which of
//! its blocks are lost, and each one is taken out once what replaces it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::OpId;
use volumed_core::{ExtentIndex, LostBlocks, VolumeId};
use volumed_meta::{Change, Compare, Entry, MetaStore, Outcome};

use crate::disks::moving::until_told;
use crate::error::RecordError;
use crate::machine::Machine;
use crate::store::placements::PlacementsError;
use crate::store::records::{
    LostRecord, VERSION, decode, encode, last_part, lost_key, lost_prefix, read_all, unreadable,
};

pub(crate) type Lost = BTreeMap<ExtentIndex, LostBlocks>;

/// What the store has of a volume's extents that were placed anew.
pub(crate) async fn load(store: &dyn MetaStore, volume: VolumeId) -> Result<Lost, PlacementsError> {
    let mut all = Lost::new();
    for entry in read_all(store, &lost_prefix(volume)).await? {
        let extent = last_part(&entry.key).parse();
        let extent = extent.map_err(|error| unreadable(&entry.key, error))?;
        all.insert(ExtentIndex(extent), blocks_of(&entry)?);
    }
    Ok(all)
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

/// Has the store call blocks well; what replaces them is durable.
pub(crate) async fn mend(machine: Arc<Machine>, op: OpId, extent: ExtentIndex, blocks: Range<u32>) {
    let volume = machine.volume;
    let store = &*machine.node.store;
    let noted = until_told(volume, || take_out(store, volume, extent, &blocks)).await;
    if noted.is_ok() {
        machine.is_well(extent, &blocks);
    }
    let result = noted.map_err(|_| PlaceFailure::Failed);
    machine.head_event(HeadEvent::Mended(op, result));
}

async fn take_out(
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

impl Machine {
    /// What is lost of the volume.
    pub fn lost(&self) -> Lost {
        self.lost.lock().clone()
    }

    /// Blocks that are lost.
    pub fn lost_blocks(&self) -> u64 {
        self.lost.lock().values().map(LostBlocks::count).sum()
    }

    /// Those of these extents of which something is lost.
    pub fn lost_among(&self, extents: impl Iterator<Item = ExtentIndex>) -> BTreeSet<ExtentIndex> {
        let lost = self.lost.lock();
        extents.filter(|extent| lost.contains_key(extent)).collect()
    }

    /// The store says what is lost now.
    pub fn know_lost(&self, lost: Lost) {
        *self.lost.lock() = lost;
    }

    /// Extents are gone, and what was lost with them.
    pub fn forget_lost(&self, extents: impl Iterator<Item = ExtentIndex>) {
        let mut lost = self.lost.lock();
        for extent in extents {
            lost.remove(&extent);
        }
    }

    fn is_well(&self, extent: ExtentIndex, blocks: &Range<u32>) {
        let mut all = self.lost.lock();
        if let Some(lost) = all.get_mut(&extent) {
            lost.mend(blocks);
            if lost.is_empty() {
                all.remove(&extent);
            }
        }
    }
}
