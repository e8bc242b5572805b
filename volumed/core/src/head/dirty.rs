//! The dirty log as the head drives it (V5): a region is marked on every in-sync replica before it
//! is written, and unmarked lazily, once its data and sums are durable on all of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::{Ask, OpId, ReplicaError};
use crate::placement::Placement;
use crate::rules::{Rule, Rules};
use crate::{DiskNumber, RegionIndex};

use super::piece::to_client;
use super::round::Then;
use super::{Head, HeadEffect, HeadSettings, Moment};

/// How many regions are marked at once for a sequential writer.
const AHEAD: u64 = 8;

/// The most regions that are cleaned at once when the head settles.
const CLEANED_AT_ONCE: usize = 512;

/// The same of idle regions, each time that the clock ticks: after an unclean stop every one of them
/// is read whole, and clients' requests must not wait long behind that.
const IDLE_AT_ONCE: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Marked,
    /// Data and sums are being synced; `touched`: it was written since, and stays marked.
    Settling {
        touched: bool,
    },
    /// The mark is being taken away: a writer must wait and mark it anew.
    Unmarking,
}

#[derive(Debug)]
struct Mark {
    state: State,
    /// Pieces on their way to the replicas.
    writers: u32,
    used: Moment,
}

#[derive(Debug)]
pub(super) struct Dirty {
    rules: Rules,
    settings: HeadSettings,
    marks: BTreeMap<RegionIndex, Mark>,
    marking: bool,
    cleaning: bool,
    /// Who settles the regions that are being cleaned: nobody else is to unmark them.
    settled_on: BTreeMap<DiskNumber, BTreeSet<RegionIndex>>,
    /// Those that are being marked.
    on_their_way: BTreeSet<RegionIndex>,
    /// Regions whose extent was freed while marks were on their way: those marks mean nothing.
    void: BTreeSet<RegionIndex>,
    /// Pieces that wait for marks, in order.
    waiting: BTreeSet<OpId>,
}

impl Dirty {
    pub fn new(rules: Rules, settings: HeadSettings, dirty: BTreeSet<RegionIndex>) -> Self {
        let mark = |region| {
            (
                region,
                Mark {
                    state: State::Marked,
                    writers: 0,
                    used: Moment::default(),
                },
            )
        };
        Self {
            rules,
            settings,
            marks: dirty.into_iter().map(mark).collect(),
            marking: false,
            cleaning: false,
            settled_on: BTreeMap::new(),
            on_their_way: BTreeSet::new(),
            void: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    pub fn settings(&self) -> HeadSettings {
        self.settings
    }

    pub fn regions(&self) -> impl Iterator<Item = RegionIndex> {
        self.marks.keys().copied()
    }

    /// Those that are being marked.
    pub fn on_their_way(&self) -> impl Iterator<Item = RegionIndex> {
        self.on_their_way.iter().copied()
    }

    /// Whether the region is marked, or is being marked.
    pub fn knows(&self, region: RegionIndex) -> bool {
        self.marks.contains_key(&region) || self.on_their_way.contains(&region)
    }

    pub fn len(&self) -> usize {
        self.marks.len()
    }

    pub fn wait(&mut self, op: OpId) {
        self.waiting.insert(op);
    }

    /// Counts a writer in all of the regions if all are marked, else in none.
    pub fn acquire(
        &mut self,
        regions: impl Iterator<Item = RegionIndex> + Clone,
        now: Moment,
    ) -> bool {
        let writable = |region: RegionIndex| {
            self.marks.get(&region).is_some_and(|mark| {
                mark.state != State::Unmarking || !self.rules.kept(Rule::MarkAnew)
            })
        };
        if !regions.clone().all(writable) && self.rules.kept(Rule::MarkBeforeWrite) {
            return false;
        }
        for region in regions {
            if let Some(mark) = self.marks.get_mut(&region) {
                mark.writers += 1;
                mark.used = now;
                if let State::Settling { touched } = &mut mark.state {
                    *touched = self.rules.kept(Rule::Touched);
                }
            }
        }
        true
    }

    pub fn release(&mut self, regions: impl Iterator<Item = RegionIndex>) {
        for region in regions {
            if let Some(mark) = self.marks.get_mut(&region) {
                mark.writers = mark.writers.saturating_sub(1);
            }
        }
    }

    /// Their extent is gone: what comes in its place may be on other disks and is marked anew.
    pub fn forget(&mut self, regions: impl Iterator<Item = RegionIndex>) {
        for region in regions {
            self.marks.remove(&region);
            if self.marking {
                self.void.insert(region);
            }
        }
    }

    /// The regions that another replica is to have marked before it counts as one. Those that are being
    /// settled without it stay marked; those that are being unmarked are marked by nobody any more.
    pub fn share(&mut self, regions: impl Iterator<Item = RegionIndex>) -> BTreeSet<RegionIndex> {
        let mut marked = BTreeSet::new();
        for region in regions {
            let state = self.marks.get_mut(&region).map(|mark| &mut mark.state);
            if let Some(State::Settling { touched }) = state {
                *touched = true;
            }
            let is_marked = state.is_some_and(|state| *state != State::Unmarking);
            if is_marked || self.on_their_way.contains(&region) {
                marked.insert(region);
            }
        }
        marked
    }

    fn near_the_bound(&self) -> bool {
        self.marks.len() >= self.settings.max_dirty / 8 * 7
    }

    /// Regions that nobody writes or waits for, the longest unused first.
    fn cleanable(&self, wanted: &BTreeSet<RegionIndex>) -> Vec<(Moment, RegionIndex)> {
        let mut idle: Vec<_> = self
            .marks
            .iter()
            .filter(|(region, mark)| {
                mark.state == State::Marked && mark.writers == 0 && !wanted.contains(region)
            })
            .map(|(&region, mark)| (mark.used, region))
            .collect();
        idle.sort_unstable();
        idle
    }

    fn insert(&mut self, regions: &BTreeSet<RegionIndex>, state: State, used: Moment) {
        let mark = |&region| {
            let writers = 0;
            (
                region,
                Mark {
                    state,
                    writers,
                    used,
                },
            )
        };
        self.marks.extend(regions.iter().map(mark));
    }

    fn drop_unmarked(&mut self, regions: &BTreeSet<RegionIndex>) {
        let unmarked = |mark: &Mark| mark.state == State::Unmarking;
        self.marks
            .retain(|region, mark| !(regions.contains(region) && unmarked(mark)));
    }

    fn set(&mut self, regions: &BTreeSet<RegionIndex>, state: State) {
        for region in regions {
            if let Some(mark) = self.marks.get_mut(region) {
                mark.state = state;
            }
        }
    }
}

impl Head {
    /// Marks what the waiting pieces need, as far as the bound allows; one round at a time, so that
    /// what comes meanwhile shares the next.
    pub(super) fn mark(&mut self, effects: &mut Vec<HeadEffect>) {
        if self.dirty.marking {
            return;
        }
        let mut wanted = BTreeSet::new();
        for op in &self.dirty.waiting {
            let Some(piece) = self.pieces.get(op) else {
                continue;
            };
            let marks = &self.dirty.marks;
            let missing: Vec<_> = piece.regions().filter(|r| !marks.contains_key(r)).collect();
            let dirty = marks.len() + wanted.len() + missing.len();
            if dirty > self.dirty.settings.max_dirty && self.rules.kept(Rule::Bound) {
                break;
            }
            for region in missing {
                wanted.insert(region);
                self.mark_ahead(region, &mut wanted);
            }
        }
        if !wanted.is_empty() {
            self.dirty.marking = true;
            self.absences.miss(&wanted);
            self.dirty.on_their_way.clone_from(&wanted);
            let asks = self.by_disk(&wanted, |regions| Ask::Mark { regions });
            self.begin_round(Then::Mark(wanted), asks, effects);
        }
        self.clean(effects);
    }

    /// A region after a dirty one looks like a sequential writer's.
    fn mark_ahead(&self, region: RegionIndex, wanted: &mut BTreeSet<RegionIndex>) {
        let before = RegionIndex(region.0.wrapping_sub(1));
        if !self.dirty.marks.contains_key(&before) || self.dirty.near_the_bound() {
            return;
        }
        for next in (region.0 + 1..region.0 + AHEAD).map(RegionIndex) {
            let placed = self.extents.get(next.extent());
            let absent = placed.is_none_or(Placement::is_lost);
            // A copy that becomes a replica just now would not get the mark.
            let switching = self.extents.switching.contains_key(&next.extent());
            if absent || switching || self.dirty.marks.contains_key(&next) {
                break;
            }
            wanted.insert(next);
        }
    }

    pub(super) fn marked(
        &mut self,
        regions: &BTreeSet<RegionIndex>,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        self.dirty.marking = false;
        self.dirty.on_their_way.clear();
        let void = std::mem::take(&mut self.dirty.void);
        let regions = regions.difference(&void).copied().collect();
        if let Err(error) = result {
            self.take_back(regions, effects);
            for op in std::mem::take(&mut self.dirty.waiting) {
                self.fail_marking(op, error, effects);
            }
        } else {
            self.dirty.insert(&regions, State::Marked, self.now);
            self.wake(effects);
        }
        if self.settling {
            self.clean(effects);
        }
    }

    /// Some of the replicas may have the marks, and nobody is to write there: they are taken away again.
    fn take_back(&mut self, regions: BTreeSet<RegionIndex>, effects: &mut Vec<HeadEffect>) {
        self.dirty.insert(&regions, State::Unmarking, self.now);
        let asks = self.by_disk(&regions, |regions| Ask::Unmark { regions });
        self.begin_round(Then::TakeBack(regions), asks, effects);
    }

    /// A replica that refused leaves them out of its log the next time.
    pub(super) fn taken_back(
        &mut self,
        regions: &BTreeSet<RegionIndex>,
        effects: &mut Vec<HeadEffect>,
    ) {
        self.dirty.drop_unmarked(regions);
        self.wake(effects);
        self.mark(effects);
    }

    /// Lets the waiting pieces try again.
    fn wake(&mut self, effects: &mut Vec<HeadEffect>) {
        let mut waiting = std::mem::take(&mut self.dirty.waiting);
        if !self.rules.kept(Rule::WakeWriters) {
            waiting.pop_last();
        }
        for op in waiting {
            self.advance(op, effects);
        }
    }

    /// A region that nobody writes any more may be what the cleaning waits for.
    pub(super) fn writer_left(&mut self, effects: &mut Vec<HeadEffect>) {
        if self.dirty.near_the_bound() || self.settling {
            self.clean(effects);
        }
    }

    /// Milliseconds after which what nobody uses is put away.
    pub(super) fn clean_after(&self) -> u64 {
        self.dirty.settings.clean_after
    }

    pub(super) fn clean_idle(&mut self, effects: &mut Vec<HeadEffect>) {
        let clean_after = self.clean_after();
        let now = self.now.0;
        let mut idle = self.dirty.cleanable(&BTreeSet::new());
        idle.retain(|(used, _)| used.0 + clean_after <= now);
        self.begin_cleaning(idle, IDLE_AT_ONCE, effects);
    }

    /// Cleans when the bound is near, or everything when the head settles.
    pub(super) fn clean(&mut self, effects: &mut Vec<HeadEffect>) {
        if self.dirty.cleaning || self.dirty.marking && self.settling {
            return;
        }
        if self.settling && self.dirty.marks.is_empty() && self.dirty.waiting.is_empty() {
            self.settling = false;
            return effects.push(HeadEffect::Settled(Ok(())));
        }
        if !self.settling && !self.dirty.near_the_bound() {
            return;
        }
        let waiting = self
            .dirty
            .waiting
            .iter()
            .filter_map(|op| self.pieces.get(op));
        let wanted = waiting.flat_map(super::Piece::regions).collect();
        let idle = self.dirty.cleanable(&wanted);
        let most = if self.settling {
            CLEANED_AT_ONCE
        } else {
            self.dirty.settings.max_dirty / 8
        };
        self.begin_cleaning(idle, most, effects);
    }

    fn begin_cleaning(
        &mut self,
        idle: Vec<(Moment, RegionIndex)>,
        most: usize,
        effects: &mut Vec<HeadEffect>,
    ) {
        if self.dirty.cleaning || idle.is_empty() {
            return;
        }
        let regions: BTreeSet<_> = idle
            .into_iter()
            .take(most)
            .map(|(_, region)| region)
            .collect();
        self.dirty.cleaning = true;
        self.dirty.set(&regions, State::Settling { touched: false });
        let on = self.disks_of(&regions);
        self.dirty.settled_on.clone_from(&on);
        let ask = |(disk, regions)| (disk, Ask::Settle { regions });
        let asks = on.into_iter().map(ask).collect();
        self.begin_round(Then::Settle(regions), asks, effects);
    }

    pub(super) fn settled(
        &mut self,
        mut regions: BTreeSet<RegionIndex>,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        if let Err(error) = result {
            self.dirty.set(&regions, State::Marked);
            return self.cleaning_failed(error, effects);
        }
        let settled = State::Settling { touched: false };
        let touched = regions
            .extract_if(.., |region| {
                self.dirty
                    .marks
                    .get(region)
                    .is_none_or(|m| m.state != settled)
            })
            .collect();
        self.dirty.set(&touched, State::Marked);
        self.dirty.set(&regions, State::Unmarking);
        let on = std::mem::take(&mut self.dirty.settled_on);
        let still = |(disk, of): (DiskNumber, BTreeSet<RegionIndex>)| {
            let regions: BTreeSet<_> = of.intersection(&regions).copied().collect();
            (!regions.is_empty()).then_some((disk, Ask::Unmark { regions }))
        };
        let asks = on.into_iter().filter_map(still).collect();
        self.begin_round(Then::Unmark(regions), asks, effects);
    }

    pub(super) fn unmarked(
        &mut self,
        regions: &BTreeSet<RegionIndex>,
        result: Result<(), ReplicaError>,
        effects: &mut Vec<HeadEffect>,
    ) {
        // Also after a failure: whether the marks are still there is unknown, so a writer marks anew.
        self.dirty.drop_unmarked(regions);
        if let Err(error) = result {
            return self.cleaning_failed(error, effects);
        }
        self.dirty.cleaning = false;
        self.wake(effects);
        self.mark(effects);
        self.clean(effects);
    }

    /// Writers that wait for the bound to be kept must not wait for ever.
    fn cleaning_failed(&mut self, error: ReplicaError, effects: &mut Vec<HeadEffect>) {
        self.dirty.cleaning = false;
        if std::mem::take(&mut self.settling) {
            effects.push(HeadEffect::Settled(Err(to_client(error))));
        }
        for op in std::mem::take(&mut self.dirty.waiting) {
            self.fail_marking(op, error, effects);
        }
    }

    /// One ask for each disk that holds some of the regions. A region whose extent is gone may still
    /// be in any disk's log.
    fn by_disk(
        &self,
        regions: &BTreeSet<RegionIndex>,
        ask: impl Fn(BTreeSet<RegionIndex>) -> Ask,
    ) -> Vec<(DiskNumber, Ask)> {
        let by_disk = self.disks_of(regions).into_iter();
        by_disk
            .map(|(disk, regions)| (disk, ask(regions)))
            .collect()
    }

    fn disks_of(
        &self,
        regions: &BTreeSet<RegionIndex>,
    ) -> BTreeMap<DiskNumber, BTreeSet<RegionIndex>> {
        let mut by_disk: BTreeMap<DiskNumber, BTreeSet<RegionIndex>> = BTreeMap::new();
        for &region in regions {
            let disks: Vec<_> = match self.extents.get(region.extent()) {
                Some(placement) => {
                    let follows = |disk: &DiskNumber| {
                        placement.is_full_on(*disk) && self.members.follows(*disk, region)
                    };
                    let followers = self.members.joining().filter(follows);
                    self.extents.in_sync(placement).chain(followers).collect()
                }
                None => self.disks.iter().copied().collect(),
            };
            for disk in disks {
                by_disk.entry(disk).or_default().insert(region);
            }
        }
        by_disk
    }
}
