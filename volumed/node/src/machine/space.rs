//! What a volume holds, may hold, and gives back.

use std::sync::{Arc, Weak};

use volumed_core::head::HeadEvent;
use volumed_core::placement::Placement;
use volumed_core::{BLOCK_SIZE, ByteCount, DiskNumber, ExtentIndex};

use super::{Machine, Node};

impl Node {
    /// Has every volume give back what it was granted on a disk and does not need.
    pub(super) fn recall(&self, disk: DiskNumber) {
        let machines: Vec<_> = {
            let mut machines = self.machines.lock();
            machines.retain(|machine| machine.strong_count() > 0);
            machines.iter().filter_map(Weak::upgrade).collect()
        };
        for machine in machines {
            machine.head_event(HeadEvent::Recall(disk));
        }
    }
}

impl Machine {
    /// What the volume holds, one replica counted.
    pub fn used(&self) -> ByteCount {
        let state = self.state.lock();
        let replicas = state.replicas.values();
        let here: u64 = replicas.map(|held| held.replica.allocated()).sum();
        let replicas = u64::from(self.replicas());
        let blocks = match &state.head {
            Some(head) if state.others.is_some() => head.allocated() / replicas,
            // Nodes have a replica each.
            None if state.others.is_some() => here,
            _ => here / replicas,
        };
        ByteCount(blocks * BLOCK_SIZE)
    }

    /// What the volume holds on a disk, if it has a replica there.
    pub fn held_on(&self, disk: DiskNumber) -> Option<ByteCount> {
        let state = self.state.lock();
        let held = state.replicas.get(&disk)?;
        Some(ByteCount(held.replica.allocated() * BLOCK_SIZE))
    }

    /// A quota as the head counts it: in blocks on all disks together. As long as some extent has more replicas than it
    /// is to have, all count as if they had: nobody is refused space for what is about to be given up.
    pub(super) fn blocks<'a>(
        &self,
        quota: Option<ByteCount>,
        placed: impl Iterator<Item = &'a Placement>,
    ) -> Option<u64> {
        let quota = quota?;
        let full = |placed: &Placement| placed.full().count() as u64;
        let most = placed.map(full).max().unwrap_or(0);
        Some(quota.0 / BLOCK_SIZE * most.max(self.replicas().into()))
    }

    /// The volume may hold so much from now on, or by as many replicas as it has now.
    pub fn limit(self: &Arc<Self>, quota: Option<ByteCount>) {
        let blocks = {
            let state = self.state.lock();
            let placed = state.head.iter();
            let placed = placed.flat_map(|head| head.placed_from(ExtentIndex(0)));
            self.blocks(quota, placed.map(|it| it.1))
        };
        self.head_event(HeadEvent::Quota(blocks));
    }

    /// The volume is gone: its space returns.
    pub fn release(&self) {
        for held in self.state.lock().replicas.values_mut() {
            held.replica.release();
        }
    }
}
