//! Extents get the replicas that they lack, and others in place of those on disks that are to be emptied
//! or that are away.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::seq::{IteratorRandom, SliceRandom};
use volumed_core::head::{CopyProgress, Head, HeadEvent};
use volumed_core::message::ExtentFile;
use volumed_core::placement::Placement;
use volumed_core::{DiskNumber, ExtentIndex, Incarnation};

use super::super::Lie;
use super::super::moves::{Move, Noting};
use super::store::Storing;
use super::{Checked, Rig};

/// The most replicas that a volume has.
const MOST_REPLICAS: usize = 3;

impl Rig {
    /// A head begins, on some node.
    pub(super) fn settle_in(&mut self) {
        if !self.spread.moves {
            return;
        }
        self.home = DiskNumber(self.rng.random_range(0..self.spread.nodes));
        for placed in self.placed.extents.values_mut() {
            placed.replicas.sort_by_key(|(disk, _)| *disk != self.home);
        }
    }

    /// The disks that a head is started with: the others join it before they get anything.
    pub(super) fn counted_on(&self) -> BTreeSet<DiskNumber> {
        if !self.spread.moves {
            return self.nodes.keys().copied().collect();
        }
        let replicas = self.placed.extents.values().flat_map(|it| &it.replicas);
        replicas.map(|it| it.0).chain([self.home]).collect()
    }

    /// What is acknowledged from now on is on these disks.
    pub(super) fn rely_on(&mut self, now: BTreeMap<DiskNumber, Incarnation>) {
        if self.spread.replicas > 1 || !self.known.is_empty() {
            self.known.extend(&now);
        }
        self.relied.extend(now);
    }

    /// V7: the store knows the incarnation of a disk before anything is placed there.
    pub(super) fn count_on(&mut self, disk: DiskNumber) {
        let incarnation = self.head.as_ref().and_then(|head| head.incarnation(disk));
        let known = self.known.get(&disk).copied();
        self.rely_on(incarnation.map(|it| (disk, it)).into_iter().collect());
        if self.broken.is(Lie::PlacesUnnoted) {
            self.known.remove(&disk);
            self.known.extend(known.map(|it| (disk, it)));
        }
    }

    /// Where a new extent goes: on disks that the head has; with too few, also on those that it does
    /// without, which get it when they are back.
    pub(super) fn disks_to_place_on(&mut self) -> Option<Vec<DiskNumber>> {
        if !self.spread.moves {
            return Some(self.nodes.keys().copied().collect());
        }
        let head = self.head.as_ref();
        let has = |disk: &DiskNumber| head.is_some_and(|head| head.has(*disk));
        let (mut chosen, others): (Vec<_>, Vec<_>) = self.numbers().into_iter().partition(has);
        chosen.shuffle(&mut self.rng);
        let absent = |disk: &DiskNumber| self.stale.contains(disk) || !self.is_well(*disk);
        let some = usize::from(!chosen.is_empty());
        chosen.extend(others.into_iter().filter(absent));
        chosen.truncate(self.spread.replicas);
        (chosen.len() == self.spread.replicas && some > 0).then_some(chosen)
    }

    /// From now on there are to be more replicas.
    pub(super) fn want_more(&mut self) {
        let most = MOST_REPLICAS.min(self.nodes.len());
        if self.spread.replicas >= most {
            return;
        }
        self.spread.replicas += 1;
        let serving = self.head.iter().flat_map(Head::serving).collect();
        self.rely_on(serving);
    }

    /// Some extent gets one more replica, or one in place of another.
    pub(super) fn begin_a_move(&mut self) {
        let Some(head) = &self.head else { return };
        let extents = head.placed_from(ExtentIndex(0));
        let free = extents.filter(|it| !self.moves.is_moving(it.0));
        let some = free.map(|(extent, placed)| (extent, placed.clone()));
        if let Some((extent, placed)) = some.choose(&mut self.rng) {
            let lacks = placed.replicas.len() < self.spread.replicas;
            let from = placed.replicas.iter().map(|it| it.0);
            let from = from.choose(&mut self.rng).filter(|_| !lacks);
            self.begin_to_move(extent, &placed, from);
        }
    }

    fn begin_to_move(&mut self, extent: ExtentIndex, placed: &Placement, from: Option<DiskNumber>) {
        let Some(head) = &self.head else { return };
        let free = |disk: &DiskNumber| head.has(*disk) && !placed.is_on(*disk);
        let free = self.nodes.keys().copied().filter(free);
        let Some(to) = free.choose(&mut self.rng) else {
            return;
        };
        self.count_on(to);
        let alloc = placed.alloc;
        let of = Move {
            file: ExtentFile { extent, alloc },
            from: from.unwrap_or(to),
            to,
        };
        let begun = self.moves.begin(of);
        self.storing.push(Storing::Copy(begun));
    }

    /// A copy gets leave to go on.
    pub(super) fn copy_on(&mut self) -> Checked {
        match self.moves.next() {
            Some(extent) => self.tell(HeadEvent::CopyOn(extent)),
            None => Ok(()),
        }
    }

    /// Copies come far, which are many steps.
    pub(super) fn hurry(&mut self) -> Checked {
        for _ in 0..self.rng.random_range(0..2000) {
            if self.moves.len() == 0 {
                break;
            }
            self.copy_on()?;
            self.step()?;
        }
        Ok(())
    }

    /// A node that gets a copy restarts, and joins again before the copy goes on.
    pub(super) fn restart_a_target(&mut self) -> Checked {
        let Some(to) = self.moves.targets().choose(&mut self.rng) else {
            return Ok(());
        };
        self.restart(to);
        self.unnoticed.remove(&to);
        self.tell(HeadEvent::Leave(to))?;
        self.join_nodes()
    }

    pub(super) fn copy_goes(&mut self, extent: ExtentIndex, progress: CopyProgress) -> Checked {
        let failed = matches!(progress, CopyProgress::Failed(_));
        let placed = self.placed.extents.contains_key(&extent);
        if failed && placed && self.weather.is_fine() && !self.troubled {
            return Err(format!("V13: {progress:?}, and nothing is wrong"));
        }
        let noting = self.moves.goes(extent, progress);
        self.storing.extend(noting.map(Storing::Copy));
        Ok(())
    }

    /// Files first, then the record.
    pub(super) fn note_copy(&mut self, noting: Noting) {
        let Move { file, to, .. } = noting.of();
        match noting {
            Noting::Begin(_) if !self.placed.has(file) || !self.is_well(to) => return,
            Noting::Begin(_) => self.create(file, to),
            Noting::Switch(_) => {
                let incarnation = self.head.as_ref().and_then(|head| head.incarnation(to));
                self.relied.extend(incarnation.map(|it| (to, it)));
            }
            Noting::Drop(_) => {}
        }
        self.placed.note(noting);
    }

    /// V13: every extent gets the replicas that it lacks.
    pub(super) fn fill(&mut self) -> Checked {
        for _ in 0..EXTENTS_FILLED {
            let mut placed = self.placed.extents.iter();
            let lacks = placed.find(|it| it.1.full().count() < self.spread.replicas);
            let Some((extent, placed)) = lacks.map(|it| (*it.0, it.1.clone())) else {
                return Ok(());
            };
            self.begin_to_move(extent, &placed, None);
            self.drain()?;
        }
        Err("V13: an extent does not get the replicas that it lacks".to_owned())
    }
}

/// How often one is tried to be filled.
const EXTENTS_FILLED: usize = 8;
