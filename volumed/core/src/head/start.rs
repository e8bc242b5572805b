//! How a head begins: every in-sync replica promises its epoch (V1) and says what is marked dirty there;
//! one that cannot, or that lost what was not flushed while another did not (V7), is recorded stale; then
//! each is told what the store places on it, and all have the same marks (V5).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::marks;
use crate::message::{Ask, ExtentFile, MOST_LISTED, ReplicaError};
use crate::rules::Rule;
use crate::unfound;
use crate::{DiskNumber, ExtentIndex, Incarnation, IoError, RegionIndex};

use super::dirty::Dirty;
use super::flush::Flushes;
use super::piece::to_client;
use super::round::{Answers, Then};
use super::{Head, HeadEffect, Lacks};

/// What a head knows of its beginning until it has begun.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// Incarnations of the disks under which they were in sync last, by the store.
    known: BTreeMap<DiskNumber, Incarnation>,
    /// What their logs name; all that they hold if they could not list it.
    marked: BTreeMap<DiskNumber, Option<BTreeSet<RegionIndex>>>,
    /// Incarnations of disks that promised the epoch to join.
    joining: BTreeMap<DiskNumber, Incarnation>,
}

impl Beginning {
    pub fn new(known: BTreeMap<DiskNumber, Incarnation>) -> Self {
        Self {
            known,
            marked: BTreeMap::new(),
            joining: BTreeMap::new(),
        }
    }

    /// A disk promised the epoch to join.
    pub fn promised(&mut self, disk: DiskNumber, incarnation: Incarnation) {
        self.joining.insert(disk, incarnation);
    }
}

impl Head {
    pub(super) fn promise(&mut self, effects: &mut Vec<HeadEffect>) {
        // One that is not here and can be done without is recorded stale; of what no other one holds,
        // reads fail.
        for disk in self.extents.holders() {
            if !self.disks.contains(&disk) && !self.exclude(disk, Lacks::Changes, effects) {
                self.left
                    .insert(disk, self.beginning.known.get(&disk).copied());
            }
        }
        let disks = self.disks.iter().filter(|it| !self.extents.is_stale(**it));
        let asks = disks.map(|&disk| (disk, Ask::Promise)).collect::<Vec<_>>();
        // A stale one joins later.
        self.disks = asks.iter().map(|(disk, _)| *disk).collect();
        if asks.is_empty() {
            let holds_nothing = self.extents.holders().is_empty();
            if holds_nothing && self.rules.kept(Rule::NothingHeld) {
                // There is nothing that an older head could change: disks may join.
                return self.promised(Answers::default(), effects);
            }
            return self.started(Err(ReplicaError::NoExtent), effects);
        }
        self.begin_round(Then::Promise, asks, effects);
    }

    pub(super) fn promised(&mut self, answers: Answers, effects: &mut Vec<HeadEffect>) {
        let Answers { done, refused } = answers;
        for (disk, error) in refused {
            let fenced = error == ReplicaError::Fenced;
            if fenced || !self.exclude(disk, Lacks::after(error), effects) {
                return self.started(Err(error), effects);
            }
        }
        let marked = done.iter().map(|(disk, said)| (*disk, marks::unpack(said)));
        self.beginning.marked = marked.collect();
        if self.rules.kept(Rule::RestartedIsNoSource) {
            self.exclude_restarted(effects);
        }
        let op = self.new_op();
        let then = Then::Reconcile(Some(ExtentIndex(0)));
        self.end_recorded(op, then, Ok(Bytes::new()), effects);
    }

    /// V7: what was not flushed is lost on a disk of another incarnation, and there on one that
    /// is the same.
    fn exclude_restarted(&mut self, effects: &mut Vec<HeadEffect>) {
        let restarted = |disk: &DiskNumber| {
            let known = self.beginning.known.get(disk);
            known.is_some_and(|known| self.incarnations.get(disk) != Some(known))
        };
        let restarted: BTreeSet<_> = self.disks.iter().copied().filter(restarted).collect();
        let others_have_all = |disk: &&DiskNumber| {
            let holds = self.extents.full_on(**disk).next().is_some();
            holds && self.extents.others_hold(**disk, &restarted)
        };
        let behind: Vec<_> = restarted.iter().filter(others_have_all).copied().collect();
        for disk in behind {
            self.exclude(disk, Lacks::Changes, effects);
        }
    }

    /// Tells every replica what the store places on it from an extent on, so that it makes up for what
    /// a fenced head placed or freed and did not come to tell (V1).
    pub(super) fn reconciled(
        &mut self,
        next: Option<ExtentIndex>,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        match (next, result) {
            (_, Err(error)) => self.started(Err(error), effects),
            (Some(from), Ok(_)) => {
                let (asks, next) = self.reconcile_asks(from, &self.disks);
                self.begin_round(Then::Reconcile(next), asks, effects);
            }
            (None, Ok(_)) => self.ask_missed(effects),
        }
    }

    fn reconcile_asks(
        &self,
        from: ExtentIndex,
        disks: &BTreeSet<DiskNumber>,
    ) -> (Vec<(DiskNumber, Ask)>, Option<ExtentIndex>) {
        let (from, placed, until, next) = self.extents.some_from(from);
        let ask = |&disk: &DiskNumber| {
            let here = placed.iter().filter(|(_, placed)| placed.is_on(disk));
            let held = here.map(|(&extent, placed)| ExtentFile {
                extent,
                alloc: placed.alloc,
            });
            let held = held.collect();
            (disk, Ask::Reconcile { from, until, held })
        };
        (disks.iter().map(ask).collect(), next)
    }

    /// What is dirty on one replica is dirty on all of them.
    pub(super) fn share_marks(&mut self, effects: &mut Vec<HeadEffect>) {
        let marked = std::mem::take(&mut self.beginning.marked);
        let dirty = self.extents.dirty(&marked);
        self.absences.miss(&dirty);
        self.flushes = Flushes::new(self.rules, &dirty);
        self.dirty = Dirty::new(self.rules, self.dirty.settings(), dirty.clone());
        let mut missing: BTreeMap<DiskNumber, BTreeSet<RegionIndex>> = BTreeMap::new();
        for region in dirty {
            let Some(placed) = self.extents.get(region.extent()) else {
                continue;
            };
            for disk in self.extents.in_sync(placed) {
                let has = |marks: &Option<BTreeSet<_>>| {
                    marks.as_ref().is_none_or(|it| it.contains(&region))
                };
                if !marked.get(&disk).is_some_and(has) {
                    missing.entry(disk).or_default().insert(region);
                }
            }
        }
        // A log that names more could not be listed.
        let asks = missing.into_iter().map(|(disk, regions)| {
            let regions = regions.into_iter().take(MOST_LISTED).collect();
            (disk, Ask::Mark { regions })
        });
        self.begin_round(Then::Marked, asks.collect(), effects);
    }

    /// V6: what replicas may differ in is made equal before it is read.
    pub(super) fn begin_agreements(
        &mut self,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        if result.is_ok() && self.rules.kept(Rule::AgreeFirst) {
            let several = |region: &RegionIndex| {
                let placed = self.extents.get(region.extent());
                placed.is_some_and(|placed| self.extents.in_sync(placed).nth(1).is_some())
            };
            let regions: Vec<_> = self.dirty.regions().filter(several).collect();
            for region in regions {
                self.enter_agreement(region, None);
            }
        }
        self.started(result, effects);
    }

    fn started(&mut self, result: Result<Bytes, ReplicaError>, effects: &mut Vec<HeadEffect>) {
        self.started = result.is_ok();
        let outcome: Result<(), IoError> = result.map(|_| ()).map_err(to_client);
        effects.push(HeadEffect::Started(outcome));
        if self.absences.any() {
            self.have_missed_kept(effects);
        }
    }

    /// Has the replica of one more disk promise the epoch.
    pub(super) fn join(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let recording = self.extents.is_excluding(disk);
        if !recording && !self.disks.contains(&disk) && self.joining.insert(disk) {
            self.begin_round(Then::Join(disk), vec![(disk, Ask::Promise)], effects);
        }
    }

    pub(super) fn join_promised(
        &mut self,
        disk: DiskNumber,
        result: Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        match result {
            Ok(_) if self.lost_something(disk) => {
                self.not_joined(disk);
                effects.push(HeadEffect::Lost(disk));
            }
            Ok(said) => {
                let incarnation = self.beginning.joining.remove(&disk);
                self.incarnations.extend(incarnation.map(|it| (disk, it)));
                self.beginning.marked.insert(disk, marks::unpack(&said));
                let first = Some(ExtentIndex(0));
                self.joined(disk, first, &Ok(unfound::pack(std::iter::empty())), effects);
            }
            Err(_) => self.not_joined(disk),
        }
    }

    /// V9: whether a disk that the head could not do without came back without what was not flushed.
    fn lost_something(&self, disk: DiskNumber) -> bool {
        let before = self.left.get(&disk).copied().flatten();
        let same = before.is_none_or(|it| self.beginning.joining.get(&disk) == Some(&it));
        !same && !self.extents.is_stale(disk) && self.rules.kept(Rule::LastMayLack)
    }

    fn not_joined(&mut self, disk: DiskNumber) {
        self.joining.remove(&disk);
        self.beginning.marked.remove(&disk);
        self.beginning.joining.remove(&disk);
        if !self.disks.contains(&disk) {
            self.incarnations.remove(&disk);
        }
    }

    /// Tells a disk that joins what the store places on it, marks among it; then it may get extents,
    /// or, if it is stale, what it lacks.
    pub(super) fn joined(
        &mut self,
        disk: DiskNumber,
        next: Option<ExtentIndex>,
        result: &Result<Bytes, ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        let Ok(said) = result else {
            return self.not_joined(disk);
        };
        if self.lost_files(disk, said) {
            self.not_joined(disk);
            return self.lacks_anything(disk, effects);
        }
        if let Some(from) = next {
            let (asks, next) = self.reconcile_asks(from, &BTreeSet::from([disk]));
            self.begin_round(Then::ReconcileJoining(disk, next), asks, effects);
            return;
        }
        self.joining.remove(&disk);
        self.left.remove(&disk);
        let marked = self.beginning.marked.remove(&disk).flatten();
        self.disks.insert(disk);
        if self.extents.is_stale(disk) {
            self.begin_resync(disk, marked, effects);
        } else if self.absences.any() {
            self.have_missed_kept(effects);
        }
    }

    /// The replica of a disk is gone: what it was asked has no answer.
    pub(super) fn leave(&mut self, disk: DiskNumber, effects: &mut Vec<HeadEffect>) {
        let holds = self.extents.full_on(disk).next().is_some();
        if !holds || !self.exclude(disk, Lacks::Changes, effects) {
            self.cut_off(disk, effects);
        }
        self.disks.remove(&disk);
        let incarnation = self.incarnations.remove(&disk).filter(|_| holds);
        self.left.extend(incarnation.map(|it| (disk, Some(it))));
        self.not_joined(disk);
    }
}
