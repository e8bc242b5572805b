//! Making a stale disk equal to those in sync, region by region, where it missed something; clients go on meanwhile.

use std::collections::BTreeSet;

use crate::message::{Ask, MOST_LISTED, ReplicaError};
use crate::rules::Rule;
use crate::{DiskNumber, ExtentIndex, RegionIndex, RegionSet};

use super::round::Then;
use super::{Head, HeadEffect};

/// How the resync of a disk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResyncProgress {
    /// So many regions may still differ; [`HeadEvent::ResyncOn`](super::HeadEvent::ResyncOn) goes on.
    Behind(u64),
    /// It came to nothing: the disk is to [join](super::HeadEvent::Join) again.
    Failed,
}

/// A disk on its way to be in sync.
#[derive(Debug)]
pub(super) struct Resync {
    /// Regions that may differ.
    pub behind: RegionSet,
    /// Those that its log names; all if it could not list them.
    pub marked: Option<BTreeSet<RegionIndex>>,
    /// Extents of which something may not be durable there.
    pub unsynced: BTreeSet<ExtentIndex>,
    /// Whether it knows what other stale disks missed.
    pub knows: bool,
    /// Whether a step of it is under way.
    stepping: bool,
}

impl Resync {
    /// Of one that has these regions to be compared.
    pub fn new(behind: RegionSet, marked: Option<BTreeSet<RegionIndex>>) -> Self {
        Self {
            behind,
            marked,
            unsynced: BTreeSet::new(),
            knows: false,
            stepping: false,
        }
    }

    /// What others miss there it does not hear of.
    pub fn falls_behind(&mut self, regions: impl Iterator<Item = RegionIndex>) {
        self.knows = false;
        for region in regions {
            self.behind.insert(region);
        }
    }
}

impl Head {
    /// A stale disk promised the epoch, and knows what the store places on it.
    pub(super) fn begin_resync(
        &mut self,
        disk: DiskNumber,
        marked: Option<BTreeSet<RegionIndex>>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let was_marked = marked.as_ref().map(|it| it.iter().copied());
        let resync = Resync::new(self.behind_on(disk, was_marked), marked);
        self.members.resyncing(disk, resync);
        self.step_ended(disk, effects);
    }

    /// Goes on with the resync of a disk: the next region, or what comes behind the last one.
    pub(super) fn resync_on(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let Some(resync) = self.members.resync(disk).filter(|it| !it.stepping) else {
            return;
        };
        resync.stepping = true;
        if let Some(region) = resync.behind.first() {
            return self.enter_agreement(region, Some(disk));
        }
        // V4: what others miss, it hears of from here on, and of what was before now.
        let knows = std::mem::replace(&mut resync.knows, true);
        if !knows && let Some(ask) = self.missed_to_keep(disk) {
            self.begin_round(Then::Knows(disk), vec![ask], effects);
            return;
        }
        let Some(resync) = self.members.resync(disk) else {
            return;
        };
        // V3: what was flushed before must be durable there, too.
        let rest = match resync.unsynced.iter().nth(MOST_LISTED).copied() {
            Some(next) => resync.unsynced.split_off(&next),
            None => BTreeSet::new(),
        };
        let extents = std::mem::replace(&mut resync.unsynced, rest);
        if !extents.is_empty() && self.rules.kept(Rule::ResyncDurable) {
            let asks = vec![(disk, Ask::Sync { extents })];
            self.begin_round(Then::Resynced(disk), asks, effects);
            return;
        }
        self.members.including(disk);
        effects.push(HeadEffect::Include(disk));
    }

    /// A disk that is being resynced has the region as the others do.
    pub(super) fn caught_up(&mut self, disk: DiskNumber, region: RegionIndex) {
        let Some(resync) = self.members.resync(disk) else {
            return;
        };
        resync.unsynced.insert(region.extent());
        resync.behind.remove(region);
    }

    /// A step of a resync has ended, whether it made the region equal or not.
    pub(super) fn step_ended(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        if let Some(resync) = self.members.resync(disk) {
            resync.stepping = false;
            let left = resync.behind.len();
            effects.push(HeadEffect::Resync(disk, ResyncProgress::Behind(left)));
        }
    }

    /// A disk that is being resynced knows what others miss, or cannot be told.
    pub(super) fn knows_missed(
        &mut self,
        disk: DiskNumber,
        well: bool,
        effects: &mut Vec<HeadEffect>,
    ) {
        if well {
            self.step_ended(disk, effects);
        } else {
            self.stop_resync(disk, effects);
        }
    }

    pub(super) fn resynced(
        &mut self,
        disk: DiskNumber,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        match result {
            Ok(()) => self.step_ended(disk, effects),
            Err(_) => self.stop_resync(disk, effects),
        }
    }

    pub(super) fn stop_resync(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        if self.members.is_resyncing(disk) {
            self.members.stop(disk);
            effects.push(HeadEffect::Resync(disk, ResyncProgress::Failed));
            self.let_go(disk, effects);
        }
    }
}
