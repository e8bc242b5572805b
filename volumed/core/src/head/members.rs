//! Which replicas are in sync (V4): one that failed is recorded stale before anything that it lacks is
//! acknowledged, and one that is stale gets there again by being resynced.
//!
//! A disk that the head counts on is in one of these states:
//!
//! ```text
//! in sync ──fails──▶ excluding ──recorded──▶ stale ──joins──▶ resyncing ──equal──▶ including ──recorded──▶ in sync
//! ```
//!
//! While one is being recorded stale, nothing that changes the volume is acknowledged. The last in-sync
//! replica of any extent is never recorded stale: clients get its errors.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::message::{OpId, ReplicaError};
use crate::rules::Rule;
use crate::{Alloc, DiskNumber, ExtentIndex, RegionIndex, RegionSet};

use super::piece::Work;
use super::resync::{Resync, ResyncProgress};
use super::round::{Answers, Then};
use super::{Head, HeadEffect, Lacks, PlaceFailure};

#[derive(Debug)]
enum Member {
    /// The store is asked to record it stale, or is to be asked again.
    Excluding {
        asked: bool,
    },
    Resyncing(Resync),
    /// It has everything, and the store is asked to record it in sync.
    Including {
        /// It failed meanwhile.
        failed: bool,
    },
}

/// A round that ends once everybody who did not take part is recorded stale.
#[derive(Debug)]
struct Parked {
    op: OpId,
    then: Then,
    result: Result<Bytes, ReplicaError>,
}

#[derive(Debug, Default)]
pub(super) struct Members {
    states: BTreeMap<DiskNumber, Member>,
    parked: Vec<Parked>,
}

impl Members {
    /// Whether the disk may fail without harm: it is not in sync yet.
    pub fn is_resyncing(&self, disk: DiskNumber) -> bool {
        matches!(self.states.get(&disk), Some(Member::Resyncing(_)))
    }

    /// Whether the store does not say yet what the head knows.
    fn is_recording(&self) -> bool {
        let recording = |member: &Member| match member {
            Member::Excluding { .. } => true,
            Member::Including { failed } => *failed,
            Member::Resyncing(_) => false,
        };
        self.states.values().any(recording)
    }

    /// Disks that are not in sync by the store but have what the head does in these regions: what
    /// changes one goes to them, too, and so does what syncs it (V3). What changes a region that some disk
    /// lacks as well as one that it has makes it lack both.
    pub fn followers(
        &mut self,
        regions: &(impl Iterator<Item = RegionIndex> + Clone),
    ) -> BTreeSet<DiskNumber> {
        let follows = |(&disk, member): (&DiskNumber, &mut Member)| match member {
            Member::Excluding { .. } => None,
            Member::Including { failed } => (!*failed).then_some(disk),
            Member::Resyncing(resync) => {
                if !regions.clone().any(|it| resync.behind.contains(it)) {
                    return Some(disk);
                }
                resync.falls_behind(regions.clone());
                None
            }
        };
        self.states.iter_mut().filter_map(follows).collect()
    }

    /// Disks that are being resynced have to be compared in these regions again; answers those about to
    /// be in sync, with which there is nothing to compare any more.
    pub fn fall_behind(
        &mut self,
        regions: &(impl Iterator<Item = RegionIndex> + Clone),
    ) -> Vec<DiskNumber> {
        let mut including = Vec::new();
        for (&disk, member) in &mut self.states {
            match member {
                Member::Resyncing(resync) => resync.falls_behind(regions.clone()),
                Member::Including { .. } => including.push(disk),
                Member::Excluding { .. } => {}
            }
        }
        including
    }

    /// The same, of what does not change a region.
    pub fn follows(&self, disk: DiskNumber, region: RegionIndex) -> bool {
        match self.states.get(&disk) {
            Some(Member::Resyncing(resync)) => !resync.behind.contains(region),
            Some(Member::Including { failed }) => !failed,
            _ => false,
        }
    }

    /// Disks that are being resynced or included.
    pub fn joining(&self) -> impl Iterator<Item = DiskNumber> {
        let joins = |member: &Member| !matches!(member, Member::Excluding { .. });
        let states = self.states.iter().filter(move |it| joins(it.1));
        states.map(|(disk, _)| *disk)
    }

    pub fn resyncing(&mut self, disk: DiskNumber, resync: Resync) {
        self.states.insert(disk, Member::Resyncing(resync));
    }

    /// The store is asked to record it in sync.
    pub fn including(&mut self, disk: DiskNumber) {
        self.states
            .insert(disk, Member::Including { failed: false });
    }

    /// It is stale, and nothing is done about it.
    pub fn stop(&mut self, disk: DiskNumber) {
        self.states.remove(&disk);
    }

    pub fn resync(&mut self, disk: DiskNumber) -> Option<&mut Resync> {
        match self.states.get_mut(&disk) {
            Some(Member::Resyncing(resync)) => Some(resync),
            _ => None,
        }
    }

    /// Whether the disk's log may name the region.
    pub fn may_be_marked(&self, disk: DiskNumber, region: RegionIndex) -> bool {
        match self.states.get(&disk) {
            Some(Member::Resyncing(resync)) => {
                resync.marked.as_ref().is_none_or(|it| it.contains(&region))
            }
            _ => false,
        }
    }

    /// The disk is not to hold the extent any more.
    pub fn forget_on(&mut self, disk: DiskNumber, extent: ExtentIndex) {
        if let Some(resync) = self.resync(disk) {
            resync.behind.remove_extent(extent);
            resync.unsynced.remove(&extent);
        }
    }

    /// The extent is freed: nothing of it is to be resynced.
    pub fn forget(&mut self, extent: ExtentIndex) {
        for member in self.states.values_mut() {
            if let Member::Resyncing(resync) = member {
                resync.behind.remove_extent(extent);
                resync.unsynced.remove(&extent);
            }
        }
    }
}

impl ReplicaError {
    /// Whether who says so has changed nothing.
    fn changed_nothing(self) -> bool {
        matches!(self, Self::NoSpace | Self::Exhausted | Self::Corrupt)
    }
}

impl Head {
    /// V4: a round that every replica was asked to take part in ends well once those that did not are
    /// recorded stale.
    pub(super) fn evaluate(
        &mut self,
        op: OpId,
        then: Then,
        answers: Answers,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Answers { done, mut refused } = answers;
        if refused.values().any(|it| *it == ReplicaError::Fenced) {
            return self.end_round(op, then, Err(ReplicaError::Fenced), effects);
        }
        let resyncing: Vec<_> = refused
            .extract_if(.., |disk, _| self.members.is_resyncing(*disk))
            .collect();
        for (disk, _) in resyncing {
            self.stop_resync(disk, effects);
        }
        refused.retain(|disk, _| {
            !self.extents.is_stale(*disk) || self.members.states.contains_key(disk)
        });
        let counts = |(disk, _): &&(DiskNumber, Bytes)| !self.members.is_resyncing(*disk);
        let some_did = done.iter().any(|it| counts(&it));
        let in_background = matches!(then, Then::Settle(_) | Then::Unmark(_));
        let mut result = match done.into_iter().next() {
            Some((_, said)) if some_did || refused.is_empty() => Ok(said),
            _ if refused.is_empty() => Ok(Bytes::new()),
            _ => Err(ReplicaError::Unreachable),
        };
        for (disk, error) in refused {
            let passing = error.changed_nothing() && (in_background || !some_did);
            if passing || !self.exclude(disk, Lacks::after(error), effects) {
                result = Err(error);
            }
        }
        self.end_recorded(op, then, result, effects);
    }

    /// Asks the store again for what it could not record.
    pub(super) fn exclude_again(&mut self, effects: &mut Vec<HeadEffect>) {
        for (&disk, member) in &mut self.members.states {
            if let Member::Excluding { asked } = member
                && !std::mem::replace(asked, true)
            {
                effects.push(HeadEffect::Exclude(disk, self.absences.lacks(disk)));
            }
        }
    }

    /// Ends a round once the store says who is in sync.
    pub(super) fn end_recorded(
        &mut self,
        op: OpId,
        then: Then,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        if !self.members.is_recording() || !self.rules.kept(Rule::RecordStale) {
            return self.end_round(op, then, result, effects);
        }
        self.exclude_again(effects);
        self.members.parked.push(Parked { op, then, result });
    }

    /// Has a disk that failed recorded stale, unless some extent has no other replica in sync; whether
    /// it is stale, or is about to be. From now on nothing is sent to it.
    pub(super) fn exclude(
        &mut self,
        disk: DiskNumber,
        lacks: Lacks,
        effects: &mut Vec<HeadEffect>,
    ) -> bool {
        match self.members.states.get_mut(&disk) {
            Some(Member::Excluding { .. }) => return true,
            Some(Member::Resyncing(_)) => {
                self.stop_resync(disk, effects);
                return true;
            }
            Some(Member::Including { failed }) => {
                // Only once the store has said what became of that.
                if !std::mem::replace(failed, true) {
                    self.extents.exclude(disk);
                    self.let_go(disk, effects);
                }
                return true;
            }
            None if self.extents.is_stale(disk) => return true,
            None => {}
        }
        if self.extents.full_on(disk).next().is_none() {
            // It lacks nothing of what it does not hold.
            self.let_go(disk, effects);
            return true;
        }
        if !self.extents.can_do_without(disk) && self.rules.kept(Rule::LastInSync) {
            return false;
        }
        self.falls_behind(disk, lacks);
        self.record_stale(disk, effects);
        self.let_go(disk, effects);
        true
    }

    fn record_stale(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let excluding = Member::Excluding { asked: true };
        self.members.states.insert(disk, excluding);
        self.extents.exclude(disk);
        effects.push(HeadEffect::Exclude(disk, self.absences.lacks(disk)));
    }

    /// A stale disk, which is to join, lacks more than what it missed: the store says so before its files are made
    /// anew.
    pub(super) fn lacks_anything(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        self.absences.end(disk);
        self.record_stale(disk, effects);
    }

    /// Nothing is sent to the disk, and nothing that it says counts, until it joins again.
    pub(super) fn let_go(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        self.disks.remove(&disk);
        self.cut_off(disk, effects);
    }

    /// The store recorded the disk stale, or could not be reached.
    pub(super) fn excluded(
        &mut self,
        disk: DiskNumber,
        result: Result<Option<Alloc>, PlaceFailure>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Some(Member::Excluding { asked }) = self.members.states.get_mut(&disk) else {
            return;
        };
        if let Ok(since) = result {
            self.members.states.remove(&disk);
            self.extents.excluded(disk);
            self.absences.noted(disk, since);
            self.have_missed_kept(effects);
        } else {
            *asked = false;
        }
        self.release_parked(result.is_err(), effects);
    }

    /// Rounds end once nothing is to be recorded, or, with `fail`, at once.
    fn release_parked(&mut self, fail: bool, effects: &mut Vec<HeadEffect>) {
        if self.members.is_recording() && !fail {
            return;
        }
        for Parked { op, then, result } in std::mem::take(&mut self.members.parked) {
            let result = if fail {
                Err(ReplicaError::Disk)
            } else {
                result
            };
            self.end_round(op, then, result, effects);
        }
    }

    /// The store recorded the disk in sync, or could not be reached.
    pub(super) fn included(&mut self, disk: DiskNumber, well: bool, effects: &mut Vec<HeadEffect>) {
        let Some(&Member::Including { failed }) = self.members.states.get(&disk) else {
            return;
        };
        self.members.states.remove(&disk);
        match (well, failed) {
            (true, false) => {
                self.extents.include(disk);
                self.absences.end(disk);
                self.have_missed_kept(effects);
            }
            (true, true) => {
                self.record_stale(disk, effects);
            }
            (false, true) => {
                self.extents.excluded(disk);
                effects.push(HeadEffect::Resync(disk, ResyncProgress::Failed));
                self.release_parked(false, effects);
            }
            (false, false) => {
                let resync = Resync::new(RegionSet::default(), Some(BTreeSet::new()));
                self.members.states.insert(disk, Member::Resyncing(resync));
                self.step_ended(disk, effects);
            }
        }
    }

    /// Of what changes nothing, another replica answered: those that could not are of no use, or what they
    /// hold is made good.
    pub(super) fn answered_by_another(
        &mut self,
        then: &Then,
        refused: &BTreeMap<DiskNumber, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let gone =
            |it: ReplicaError| matches!(it, ReplicaError::Unreachable | ReplicaError::Restarted);
        for (&disk, _) in refused.iter().filter(|it| gone(*it.1)) {
            self.exclude(disk, Lacks::Changes, effects);
        }
        let Then::Piece(op) = then else { return };
        let bad = |it: ReplicaError| matches!(it, ReplicaError::Corrupt | ReplicaError::Disk);
        let piece = self
            .pieces
            .get(op)
            .filter(|_| refused.values().any(|it| bad(*it)));
        if let Some(piece) = piece
            && matches!(piece.work, Work::Read { .. })
            && self.rules.kept(Rule::ReadRepair)
        {
            for region in piece.regions() {
                self.enter_agreement(region, None);
            }
        }
    }
}
