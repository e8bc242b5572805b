//! What is asked of a volume's replicas without a head: checking, summing anew, and what is damaged.

use std::sync::Arc;

use tokio::sync::oneshot;
use volumed_core::replica::{Damage, Replica, ReplicaEffect};
use volumed_core::{DiskNumber, RegionIndex};

use super::{Held, Input, Machine};

impl Machine {
    /// Regions of this node's replicas whose sums do not count (V10).
    pub fn suspects(&self) -> usize {
        let state = self.state.lock();
        let replicas = state.replicas.values();
        replicas.map(|held| held.replica.suspects()).sum()
    }

    /// What is known to be damaged of the volume on a disk.
    pub fn damage_on(&self, disk: DiskNumber) -> Damage {
        let state = self.state.lock();
        let held = state.replicas.get(&disk);
        held.map_or_else(Damage::default, |held| held.replica.damage().clone())
    }

    /// Blocks that are known to be damaged, on all disks.
    pub fn damaged(&self) -> u64 {
        let state = self.state.lock();
        let blocks = |held: &Held| held.replica.damage().blocks.len() as u64;
        state.replicas.values().map(blocks).sum()
    }

    /// Begins to check the first region at or behind `from` that holds something on a disk; answers
    /// which, and tells at its end how many blocks were read; nothing if it could not be checked.
    pub fn scrub(
        self: &Arc<Self>,
        disk: DiskNumber,
        from: RegionIndex,
    ) -> Option<(RegionIndex, oneshot::Receiver<Option<u32>>)> {
        let (tell, told) = oneshot::channel();
        self.state.lock().scrubbing.insert(disk, tell);
        let begin = |replica: &mut Replica, effects: &mut _| replica.scrub(from, effects);
        let region = self.ask_replica(disk, begin).flatten()?;
        Some((region, told))
    }

    /// A check of everything begins: it finds again what was not noted for want of room.
    pub fn scrub_begins(self: &Arc<Self>, disk: DiskNumber) {
        let begin = |replica: &mut Replica, effects: &mut _| replica.scrub_begins(effects);
        let _: Option<()> = self.ask_replica(disk, begin);
    }

    /// Begins to sum anew one region of those whose sums do not count on a disk; whether there was one.
    pub fn resum_one(self: &Arc<Self>, disk: DiskNumber) -> bool {
        let resum = |replica: &mut Replica, effects: &mut _| replica.resum_one(effects);
        self.ask_replica(disk, resum).unwrap_or(false)
    }

    fn ask_replica<T>(
        self: &Arc<Self>,
        disk: DiskNumber,
        ask: impl FnOnce(&mut Replica, &mut Vec<ReplicaEffect>) -> T,
    ) -> Option<T> {
        let mut effects = Vec::new();
        let (answer, deeds) = {
            let mut state = self.state.lock();
            let answer = ask(&mut state.replicas.get_mut(&disk)?.replica, &mut effects);
            (
                answer,
                state.feed(self.now(), Input::Effects(disk, effects)),
            )
        };
        self.perform(deeds);
        Some(answer)
    }
}
