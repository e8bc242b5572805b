//! The blocks that a volume holds on a disk, and those that the disk granted to the volume's head.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ExtentIndex;
use crate::message::{Ask, ExtentFile, Message};
use crate::space::DiskSpace;

use super::{Bytes, Replica, ReplicaEffect};

/// The most extents that one answer names.
const EMPTY_AT_ONCE: usize = 1024;

#[derive(Debug)]
pub(super) struct HeldExtent {
    pub file: ExtentFile,
    /// Blocks that take space.
    pub allocated: u32,
    /// It is being copied here, and counts for nothing but the disk's space.
    incoming: bool,
}

/// Every extent that is held, and the volume's part of the disk's account.
#[derive(Debug)]
pub(super) struct Held {
    disk: Arc<DiskSpace>,
    extents: BTreeMap<ExtentIndex, HeldExtent>,
    /// Those without a block that takes space.
    empty: BTreeSet<ExtentIndex>,
    /// Blocks of all extents.
    allocated: u64,
    /// Blocks that the head was granted and that take no space yet.
    granted: u64,
    /// Those of them that writes under way may need.
    needed: u64,
}

impl Held {
    pub fn new(disk: Arc<DiskSpace>, found: Vec<(ExtentFile, u32)>) -> Self {
        let mut held = Self {
            disk,
            extents: BTreeMap::new(),
            empty: BTreeSet::new(),
            allocated: 0,
            granted: 0,
            needed: 0,
        };
        for (file, allocated) in found {
            held.insert(file);
            held.disk.add(allocated.into());
            held.changed(file.extent, 0, allocated);
        }
        held
    }

    pub fn get(&self, extent: ExtentIndex) -> Option<&HeldExtent> {
        self.extents.get(&extent)
    }

    pub fn has(&self, file: ExtentFile) -> bool {
        self.get(file.extent).is_some_and(|held| held.file == file)
    }

    /// The files from an extent on.
    pub fn from(&self, first: ExtentIndex) -> impl Iterator<Item = ExtentFile> {
        self.extents.range(first..).map(|(_, held)| held.file)
    }

    /// The blocks of each extent that counts, as far as they are known.
    pub fn counts(&self) -> impl Iterator<Item = (ExtentFile, u32)> {
        let known =
            |held: &&HeldExtent| held.allocated > 0 || self.empty.contains(&held.file.extent);
        let count = self.extents.values().filter(|held| !held.incoming);
        count.filter(known).map(|held| (held.file, held.allocated))
    }

    /// The first extent from `first` on that holds something.
    pub fn not_empty(&self, first: ExtentIndex) -> Option<ExtentFile> {
        let mut extents = self.extents.range(first..).map(|(_, held)| held);
        extents
            .find(|held| held.allocated > 0)
            .map(|held| held.file)
    }

    /// Every extent is gone.
    pub fn clear(&mut self) {
        let blocks = |held: &HeldExtent| u64::from(held.allocated);
        self.disk.release(self.extents.values().map(blocks).sum());
        self.allocated = 0;
        self.extents.clear();
        self.empty.clear();
    }

    /// Takes in an extent that is empty.
    pub fn insert(&mut self, file: ExtentFile) {
        self.receive(file);
        self.keep(file.extent);
    }

    /// Takes in an extent that is empty and will be copied here.
    pub fn receive(&mut self, file: ExtentFile) {
        self.remove(file.extent);
        let held = HeldExtent {
            file,
            allocated: 0,
            incoming: true,
        };
        self.extents.insert(file.extent, held);
    }

    /// An extent that was received counts from now on; whether it was one that did not.
    pub fn keep(&mut self, extent: ExtentIndex) -> bool {
        let Some(held) = self.extents.get_mut(&extent).filter(|held| held.incoming) else {
            return false;
        };
        held.incoming = false;
        self.allocated += u64::from(held.allocated);
        if held.allocated == 0 {
            self.empty.insert(extent);
        }
        true
    }

    /// Whether the extent is being copied here.
    pub fn is_incoming(&self, extent: ExtentIndex) -> bool {
        self.get(extent).is_some_and(|held| held.incoming)
    }

    /// Nobody knows whether the extent is empty: it is not to be called so.
    pub fn doubt(&mut self, extent: ExtentIndex) {
        self.empty.remove(&extent);
    }

    /// The extent is gone, and gives its blocks back.
    pub fn remove(&mut self, extent: ExtentIndex) {
        if let Some(held) = self.extents.remove(&extent) {
            self.empty.remove(&extent);
            if !held.incoming {
                self.allocated -= u64::from(held.allocated);
            }
            self.disk.release(held.allocated.into());
        }
    }

    /// So many blocks of a part of the extent took space, and so many do now; the disk's account knows.
    fn changed(&mut self, extent: ExtentIndex, before: u32, now: u32) {
        let Some(held) = self.extents.get_mut(&extent) else {
            return;
        };
        let old = held.allocated;
        held.allocated = (old + now).saturating_sub(before);
        if held.incoming {
            return;
        }
        self.allocated = self.allocated - u64::from(old) + u64::from(held.allocated);
        if held.allocated == 0 {
            self.empty.insert(extent);
        } else {
            self.empty.remove(&extent);
        }
    }

    /// Summing anew may find blocks that were written and not counted, or trimmed.
    pub fn recounted(&mut self, extent: ExtentIndex, before: u32, now: u32) {
        self.disk.add(now.saturating_sub(before).into());
        self.disk.release(before.saturating_sub(now).into());
        self.changed(extent, before, now);
    }

    /// Sets granted blocks aside for a write, more of them if a head did not ask for enough; whether
    /// there are so many.
    pub fn need(&mut self, blocks: u32) -> bool {
        let needed = self.needed + u64::from(blocks);
        self.grant(needed.saturating_sub(self.granted));
        let enough = needed <= self.granted;
        if enough {
            self.needed = needed;
        }
        enough
    }

    /// The write ended; what it did not take stays granted.
    pub fn needed(&mut self, blocks: u32) {
        self.needed -= u64::from(blocks);
    }

    /// A write or a trim changed how many blocks of a part of the extent take space.
    pub fn wrote(&mut self, extent: ExtentIndex, before: u32, now: u32) {
        let held = u64::from(now.saturating_sub(before)).min(self.granted);
        self.granted -= held;
        self.disk.hold(held);
        self.disk.release(before.saturating_sub(now).into());
        self.changed(extent, before, now);
    }

    fn grant(&mut self, most: u64) {
        self.granted += self.disk.grant(most);
    }

    /// Gives granted blocks back, as far as no write needs them.
    pub fn give_back(&mut self, blocks: u64) {
        let spare = blocks.min(self.granted - self.needed);
        self.granted -= spare;
        self.disk.give_back(spare);
    }

    pub fn allocated(&self) -> u64 {
        self.allocated
    }

    pub fn granted(&self) -> u64 {
        self.granted
    }
}

impl Replica {
    /// Grants blocks, up to `most`; if fewer than `least` are to be had, only after everybody was asked
    /// to give back what he does not need.
    pub(super) fn grant(&mut self, message: Message, effects: &mut Vec<ReplicaEffect>) {
        let Ask::Grant { least, most } = message.ask else {
            return;
        };
        let before = self.held.granted;
        self.held.grant(most);
        let missing = least.saturating_sub(self.held.granted - before);
        if missing > 0 && self.held.disk.granted() > self.held.granted {
            self.short.push((message, missing));
            return effects.push(ReplicaEffect::Recall);
        }
        self.answer(&message, Ok(Bytes::new()), effects);
    }

    /// Everybody gave back what he did not need.
    pub(super) fn recalled(&mut self, effects: &mut Vec<ReplicaEffect>) {
        for (message, missing) in std::mem::take(&mut self.short) {
            if message.epoch == self.promised {
                self.held.grant(missing);
            }
            self.finish(&message, Ok(Bytes::new()), effects);
        }
    }

    /// The extents that hold nothing, in order. One with a suspect region may hold what its sums do not
    /// tell (V10).
    pub(super) fn empty(&self) -> Bytes {
        let empty = self.held.empty.iter();
        let sure = empty.filter(|extent| self.regions.all_count(**extent));
        let extents = sure.take(EMPTY_AT_ONCE);
        let bytes: Vec<u8> = extents.flat_map(|extent| extent.0.to_le_bytes()).collect();
        bytes.into()
    }
}
