//! What stale disks miss while the head goes on without them (V4), so that a resync reads no more of the volume
//! than that.
//!
//! A disk that falls behind may lack what was on its way to it, which is marked dirty, and what is marked from then on.
//! Replicas keep the same beside their dirty logs, for the next head ([`crate::missed`]); this one has them keep
//! what it knows when that is more: a disk fell behind, or gets to know it before it counts as in sync.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::message::{Ask, ReplicaError};
use crate::missed::{self, MOST_EXTENTS, Missed, MissedByDisk};
use crate::rules::Rule;
use crate::{Alloc, DiskNumber, ExtentIndex, RegionIndex, RegionSet};

use super::round::{Answers, Then};
use super::{Head, HeadEffect};

/// What a disk may lack that is recorded stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacks {
    /// What was on its way to it, and what changes from now on: the store is to note when that was.
    Changes,
    /// Anything, whatever the store noted.
    Anything,
}

impl Lacks {
    /// Of a disk that answered this. One that failed may have lost more than it says.
    pub fn after(error: ReplicaError) -> Self {
        match error {
            ReplicaError::Disk | ReplicaError::NoExtent => Self::Anything,
            _ => Self::Changes,
        }
    }
}

#[derive(Debug)]
struct Absence {
    /// By the store, once it said so.
    since: Option<Alloc>,
    /// What changed since; nothing if that is not known, or too much to be listed.
    missed: Option<RegionSet>,
}

/// Disks that lack no more than what changed since they fell behind.
#[derive(Debug, Default)]
pub(super) struct Absences {
    of: BTreeMap<DiskNumber, Absence>,
}

impl Absences {
    /// Those that fell behind under an earlier head.
    pub fn new(fell_behind: BTreeMap<DiskNumber, Alloc>) -> Self {
        let absence = |since| Absence {
            since: Some(since),
            missed: None,
        };
        let of = fell_behind.into_iter();
        Self {
            of: of.map(|(disk, since)| (disk, absence(since))).collect(),
        }
    }

    fn begin(&mut self, disk: DiskNumber, missed: RegionSet) {
        let (since, missed) = (None, Some(missed));
        self.of.insert(disk, Absence { since, missed });
    }

    /// The disk lacks nothing, or anything.
    pub fn end(&mut self, disk: DiskNumber) {
        self.of.remove(&disk);
    }

    /// What the store noted.
    pub fn noted(&mut self, disk: DiskNumber, since: Option<Alloc>) {
        match (self.of.get_mut(&disk), since) {
            (Some(absence), Some(_)) => absence.since = since,
            _ => self.end(disk),
        }
    }

    /// When the disk fell behind, if it lacks no more than what changed since.
    pub fn since(&self, disk: DiskNumber) -> Option<Alloc> {
        self.of.get(&disk)?.since
    }

    /// What the disk may lack; nothing if that is anything.
    pub fn missed_by(&self, disk: DiskNumber) -> Option<&RegionSet> {
        self.of.get(&disk)?.missed.as_ref()
    }

    pub fn lacks(&self, disk: DiskNumber) -> Lacks {
        if self.of.contains_key(&disk) {
            Lacks::Changes
        } else {
            Lacks::Anything
        }
    }

    /// Whether there is one of which something is known.
    pub fn any(&self) -> bool {
        self.of.values().any(|absence| absence.since.is_some())
    }

    /// These regions change from here on, or have changed.
    pub fn miss(&mut self, regions: &BTreeSet<RegionIndex>) {
        for absence in self.of.values_mut() {
            let Some(missed) = &mut absence.missed else {
                continue;
            };
            for region in regions {
                missed.insert(*region);
            }
            if missed.extent_count() > MOST_EXTENTS {
                absence.missed = None;
            }
        }
    }

    /// The extent is freed, and whoever was away removes it.
    pub fn forget(&mut self, extent: ExtentIndex) {
        for missed in self.of.values_mut().filter_map(|it| it.missed.as_mut()) {
            missed.remove_extent(extent);
        }
    }

    /// What replicas are to keep, apart from what `but` lacks itself.
    fn to_keep(&self, but: Option<DiskNumber>) -> MissedByDisk {
        let one = |(&disk, absence): (&DiskNumber, &Absence)| {
            let (since, regions) = (absence.since?, absence.missed.clone()?);
            Some((disk, Missed { since, regions }))
        };
        let others = self.of.iter().filter(|it| Some(*it.0) != but);
        let mut missed = others.filter_map(one).collect();
        missed::bound(&mut missed);
        missed
    }
}

impl Head {
    /// The disk falls behind just now. What was on its way to it is marked, or was and is being made equal.
    pub(super) fn falls_behind(&mut self, disk: DiskNumber, lacks: Lacks) {
        if lacks == Lacks::Anything {
            return self.absences.end(disk);
        }
        let regions = self.dirty.regions().chain(self.dirty.on_their_way());
        let regions = regions.chain(self.agreements.unsure());
        let kept = self.rules.kept(Rule::MissedBefore);
        let missed = regions.filter(|_| kept).collect();
        self.absences.begin(disk, missed);
    }

    /// Asks the replicas in sync what those missed that fell behind earlier, before the head begins.
    pub(super) fn ask_missed(&mut self, effects: &mut Vec<HeadEffect>) {
        let unknown = |it: &Absence| it.since.is_some() && it.missed.is_none();
        if self.disks.is_empty() || !self.absences.of.values().any(unknown) {
            return self.share_marks(effects);
        }
        let asks = self.disks.iter().map(|&disk| (disk, Ask::Missed)).collect();
        self.begin_round(Then::Missed, asks, effects);
    }

    /// Each replica in sync knows all that changed of its extents. Of an extent of which none says what changed,
    /// everything may have.
    pub(super) fn missed_said(&mut self, answers: &Answers, effects: &mut Vec<HeadEffect>) {
        let said = |(disk, said): &(DiskNumber, Bytes)| Some((*disk, missed::unpack(said).ok()?));
        let said: BTreeMap<_, _> = answers.done.iter().filter_map(said).collect();
        let unknown = |it: &(&DiskNumber, &Absence)| it.1.missed.is_none();
        let unknown: Vec<_> = self.absences.of.iter().filter(unknown).collect();
        let unknown: Vec<_> = unknown.into_iter().map(|it| *it.0).collect();
        for disk in unknown {
            let missed = self.missed_by_all_accounts(disk, &said);
            if let Some(absence) = self.absences.of.get_mut(&disk) {
                absence.missed = missed;
            }
        }
        self.share_marks(effects);
    }

    fn missed_by_all_accounts(
        &self,
        disk: DiskNumber,
        said: &BTreeMap<DiskNumber, MissedByDisk>,
    ) -> Option<RegionSet> {
        let since = self.absences.since(disk)?;
        let mut missed = RegionSet::default();
        for extent in self.extents.full_on(disk) {
            let placed = self.extents.get(extent)?;
            let account = |holder| {
                let log = said.get(&holder)?.get(&disk)?;
                (log.since == since).then(|| log.regions.bits_of(extent))
            };
            let bits = self.extents.in_sync(placed).filter_map(account);
            missed.insert_bits(
                extent,
                bits.reduce(|all, bits| all | bits).unwrap_or(u16::MAX),
            );
        }
        (missed.extent_count() <= MOST_EXTENTS).then_some(missed)
    }

    /// Has replicas keep what the head knows. Nothing waits for it: what they do not keep is resynced as a whole
    /// under the next head.
    pub(super) fn have_missed_kept(&mut self, effects: &mut Vec<HeadEffect>) {
        // Before, they know more.
        if !self.started {
            return;
        }
        let ask = Ask::KeepMissed {
            missed: self.absences.to_keep(None),
        };
        let asks = self.disks.iter().map(|&disk| (disk, ask.clone())).collect();
        self.begin_round(Then::KeptMissed, asks, effects);
    }

    /// The same of one that is to count as in sync, if there is something to keep.
    pub(super) fn missed_to_keep(&self, disk: DiskNumber) -> Option<(DiskNumber, Ask)> {
        let missed = self.absences.to_keep(Some(disk));
        let keep = !missed.is_empty() && self.rules.kept(Rule::ShareMissed);
        keep.then_some((disk, Ask::KeepMissed { missed }))
    }

    /// The regions that a disk that joins may differ in, or was writing when it stopped.
    pub(super) fn behind_on(
        &self,
        disk: DiskNumber,
        marked: Option<impl Iterator<Item = RegionIndex>>,
    ) -> RegionSet {
        let (Some(missed), Some(marked)) = (self.absences.missed_by(disk), marked) else {
            return RegionSet::of_extents(self.extents.full_on(disk));
        };
        let mut behind = missed.clone();
        behind.extend(&marked.collect());
        behind.retain_extents(|extent| {
            let placed = self.extents.get(extent);
            placed.is_some_and(|placed| placed.is_full_on(disk))
        });
        behind
    }

    /// Whether a disk that joins lacks files that it had when it fell behind, or does not say: those that were placed
    /// since were made for it.
    pub(super) fn lost_files(&self, disk: DiskNumber, said: &[u8]) -> bool {
        let Some(since) = self
            .absences
            .since(disk)
            .filter(|_| self.extents.is_stale(disk))
        else {
            return false;
        };
        let had = |extent: &ExtentIndex| {
            let placed = self.extents.get(*extent);
            placed.is_some_and(|placed| placed.is_full_on(disk) && placed.alloc <= since)
        };
        let unfound = crate::unfound::unpack(said);
        unfound.is_none_or(|unfound| unfound.iter().any(had)) && self.rules.kept(Rule::LostFiles)
    }
}
