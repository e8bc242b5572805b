//! What is lost of the volume, and having the store call it well once it is replaced.

use std::collections::BTreeSet;
use std::ops::Range;

use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::OpId;
use volumed_core::{ExtentIndex, LostBlocks};

use super::{Arc, Machine};
use crate::store::lost::{Lost, take_out};
use crate::store::placements::until_told;

/// Has the store call blocks well; what replaces them is durable.
pub(super) async fn mend(machine: Arc<Machine>, op: OpId, extent: ExtentIndex, blocks: Range<u32>) {
    let volume = machine.volume;
    let store = &*machine.node.store;
    let noted = until_told(volume, || take_out(store, volume, extent, &blocks)).await;
    if noted.is_ok() {
        machine.is_well(extent, &blocks);
    }
    let result = noted.map_err(|_| PlaceFailure::Failed);
    machine.head_event(HeadEvent::Mended(op, result));
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
