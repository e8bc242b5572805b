//! Space (V12): a quota, another volume on the same disks, and what must hold of the accounts.

use rand::RngExt;
use rand::seq::IndexedRandom;
use volumed_core::head::{HeadEvent, RequestId};
use volumed_core::message::ExtentFile;
use volumed_core::replica::ReplicaEvent;
use volumed_core::{BLOCK_SIZE, DiskNumber, EXTENT_SIZE, ExtentIndex};

use super::super::model::SECTOR;
use super::{Checked, World};

impl World {
    /// Another volume is granted blocks of a disk that it does not need.
    pub fn grant_to_neighbour(&mut self) {
        let disks: Vec<_> = self.spaces.keys().copied().collect();
        let Some(&disk) = disks.choose(&mut self.rng) else {
            return;
        };
        let blocks = self.spaces[&disk].grant(self.rng.random_range(1..40));
        *self.neighbours.entry(disk).or_default() += blocks;
    }

    /// Everybody gives back what he does not need.
    pub(super) fn recall(&mut self, disk: DiskNumber) -> Checked {
        let blocks = self.neighbours.remove(&disk).unwrap_or(0);
        self.spaces[&disk].give_back(blocks);
        self.head_event(HeadEvent::Recall(disk))?;
        self.replica_event(disk, ReplicaEvent::Recalled)
    }

    /// After every event of a replica: the disk's account says what it holds, and what it was granted.
    pub(super) fn check_accounts(&self, disk: DiskNumber) -> Checked {
        let space = &self.spaces[&disk];
        let held = self.replicas[&disk].allocated();
        let used = space.used().0 / BLOCK_SIZE;
        if held != used {
            return Err(format!("V12: {held} blocks are held, {used} accounted"));
        }
        Ok(())
    }

    /// Blocks of a disk that the volume holds or its head was granted.
    pub(super) fn taken(&self, disk: DiskNumber) -> u64 {
        let space = &self.spaces[&disk];
        let neighbours = self.neighbours.get(&disk).copied().unwrap_or(0);
        space.used().0 / BLOCK_SIZE + space.granted() - neighbours
    }

    /// A request for which there was no room changed nothing, and there was none.
    pub(super) fn refused(
        &mut self,
        id: RequestId,
        since: u64,
        sectors: &std::ops::Range<u64>,
    ) -> Checked {
        self.model.refused(id.0, sectors.clone());
        // What was given back meanwhile may have come too late.
        if !self.asked.is_empty() || self.trimmed >= since {
            return Ok(());
        }
        let needed = self.holes(sectors);
        let held: u64 = self
            .replicas
            .values()
            .map(volumed_core::replica::Replica::allocated)
            .sum();
        let copies = self.copies as u64;
        let above = self
            .quota
            .is_some_and(|quota| held + needed * copies > quota);
        let full = self.spaces.iter().any(|(disk, space)| {
            let neighbours = self.neighbours.get(disk).copied().unwrap_or(0);
            needed + neighbours > space.free().0 / BLOCK_SIZE
        });
        if needed == 0 || !above && !full {
            return Err(format!(
                "V12: {needed} blocks are refused where {held} of {:?} are held and {:?} is free",
                self.quota,
                self.spaces
                    .values()
                    .map(|space| space.free().0 / BLOCK_SIZE)
                    .collect::<Vec<_>>()
            ));
        }
        Ok(())
    }

    /// How many blocks that sectors lie in are holes.
    fn holes(&self, sectors: &std::ops::Range<u64>) -> u64 {
        let blocks =
            sectors.start * SECTOR / BLOCK_SIZE..(sectors.end * SECTOR).div_ceil(BLOCK_SIZE);
        let is_held = |block: &u64| {
            let extent = ExtentIndex(block * BLOCK_SIZE / EXTENT_SIZE);
            let at = (block * BLOCK_SIZE % EXTENT_SIZE / BLOCK_SIZE) as u32;
            let files = self.placed.get(&extent).and_then(|placement| {
                let (alloc, first) = (placement.alloc, placement.replicas.first()?);
                self.disks[&first.0].files_of(ExtentFile { extent, alloc })
            });
            files.is_some_and(|files| files.takes(at))
        };
        blocks.filter(|block| !is_held(block)).count() as u64
    }
}
