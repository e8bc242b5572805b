//! What a volume holds, may hold, and gives back.

use std::sync::{Arc, Weak};

use volumed_core::head::HeadEvent;
use volumed_core::{BLOCK_SIZE, ByteCount, DiskNumber};

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

    /// A quota as the head counts it: in blocks on all disks together.
    pub(super) fn blocks(&self, quota: Option<ByteCount>) -> Option<u64> {
        let blocks = |quota: ByteCount| quota.0 / BLOCK_SIZE * u64::from(self.replicas());
        quota.map(blocks)
    }

    /// The volume's record says this quota now.
    pub fn limit(self: &Arc<Self>, quota: Option<ByteCount>) {
        self.head_event(HeadEvent::Quota(self.blocks(quota)));
    }

    /// The volume is gone: its space returns.
    pub fn release(&self) {
        for held in self.state.lock().replicas.values_mut() {
            held.replica.release();
        }
    }
}
