//! Disks that join, fail and are taken back, or lose power while the head lives on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::RngExt;
use rand::seq::{IndexedRandom, IteratorRandom};
use volumed_core::head::HeadEvent;
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Placement, Role};
use volumed_core::replica::Replica;
use volumed_core::rules::Rules;
use volumed_core::space::DiskSpace;
use volumed_core::unflushed::{Incarnations, Since, Unflushed};
use volumed_core::{BLOCK_SIZE, ByteCount, DiskNumber, EXTENT_SIZE, ExtentIndex};

use super::super::disk::SimDisk;
use super::super::model::SECTOR;
use super::checks::Told;
use super::{Checked, VOLUME, World};

/// No more are added.
const MOST_DISKS: usize = 3;

impl World {
    /// The extents that the store places on a disk.
    pub(super) fn files_on(&self, disk: DiskNumber) -> BTreeSet<ExtentFile> {
        let here = self.placed.iter().filter(|(_, placed)| placed.is_on(disk));
        here.map(|(&extent, placed)| ExtentFile {
            extent,
            alloc: placed.alloc,
        })
        .collect()
    }

    /// A disk without anything on it, and room for as much as each has.
    pub(super) fn insert_disk(&mut self, number: DiskNumber) {
        let space = DiskSpace::default();
        let blocks = if self.small { 60 } else { 1 << 20 };
        space.set_limit(ByteCount(blocks * BLOCK_SIZE));
        self.spaces.insert(number, Arc::new(space));
        self.disks.insert(number, SimDisk::new(self.broken));
    }

    /// Makes the replica of a disk from what that holds.
    pub(super) fn recover(&mut self, number: DiskNumber) -> Checked {
        let files = self.files_on(number);
        let Some(disk) = self.disks.get_mut(&number) else {
            return Err(format!("there is no disk {number}"));
        };
        let space = Arc::clone(&self.spaces[&number]);
        space.give_back(u64::MAX);
        space.release(u64::MAX);
        self.neighbours.remove(&number);
        let told = Told::at_start(disk.logged().as_ref(), &files);
        self.told.insert(number, told);
        let rules = Rules::without(self.broken.rule());
        let replica = Replica::keeping(rules, VOLUME, number, space, disk.recover(&files));
        let mut replica = replica.map_err(|error| error.to_string())?;
        replica.keep_sums(self.kept_sums);
        self.replicas.insert(number, replica);
        Ok(())
    }

    fn incarnations(&self) -> Incarnations {
        let disks = self.disks.iter();
        disks
            .map(|(&number, disk)| (number, (!disk.failed()).then(|| disk.incarnation())))
            .collect()
    }

    /// V9: before a head begins, a client that cannot send again goes on, or is told that what it did
    /// not flush may be lost.
    pub(super) fn resume(&mut self) -> Checked {
        self.may_lack |= self.has_failed();
        let here = self.incarnations();
        let rules = Rules::without(self.broken.rule());
        let extents = self.placed.values();
        let found = self
            .since
            .unflushed(rules, extents, &BTreeSet::new(), &here);
        match found {
            Unflushed::Kept => self.model.change_head(),
            _ if !self.may_lack => {
                return Err("V9: a token is refused, and nothing can be lost".to_owned());
            }
            _ => {
                let is_kept = |disk: &DiskNumber| {
                    let since = self.since.0.get(disk);
                    since.is_some() && here.get(disk).copied().flatten().as_ref() == since
                };
                let kept = |at: u64| {
                    let placed = self.placed.get(&ExtentIndex(at * SECTOR / EXTENT_SIZE));
                    placed.is_some_and(|placed| {
                        self.disks
                            .keys()
                            .any(|disk| placed.is_on(*disk) && is_kept(disk))
                    })
                };
                self.model.lose(kept);
                self.since = Since::default();
            }
        }
        self.since.meet(&here);
        self.may_lack = false;
        self.restarted.clear();
        Ok(())
    }

    /// On which disks a new extent goes: as the node chooses, among those that the head has.
    pub(super) fn choose(&mut self) -> Placement {
        let all = self.disks.keys().copied();
        let disks: Vec<_> = if self.spread() {
            let has = |disk: &DiskNumber| self.head.as_ref().is_some_and(|head| head.has(*disk));
            let (had, failed): (Vec<_>, Vec<_>) =
                all.filter(has).partition(|disk| !self.disks[disk].failed());
            let from = if had.is_empty() { failed } else { had };
            from.choose(&mut self.rng).copied().into_iter().collect()
        } else {
            all.collect()
        };
        Placement {
            alloc: volumed_core::Alloc(self.revision),
            replicas: disks.into_iter().map(|disk| (disk, Role::Full)).collect(),
        }
    }

    /// Whether each extent is on one of several disks.
    pub(super) fn spread(&self) -> bool {
        self.copies < self.disks.len()
    }

    /// The disks that a head is started with, as in the node.
    pub(super) fn needed(&self) -> BTreeSet<DiskNumber> {
        let needed = |number: &&DiskNumber| {
            !self.disks[number].failed() || !self.files_on(**number).is_empty()
        };
        self.disks.keys().filter(needed).copied().collect()
    }

    /// Something happens to one of several disks.
    pub fn change_disks(&mut self) -> Checked {
        let disks: BTreeMap<_, _> = self.disks.iter().map(|(&n, it)| (n, it.failed())).collect();
        let failed = disks.iter().find(|(_, failed)| **failed);
        match (failed, self.rng.random_range(0..4)) {
            (Some((&number, _)), _) => self.take_back(number),
            (None, 0) => {
                let number = disks.keys().copied().choose(&mut self.rng);
                number.map_or(Ok(()), |number| self.lose_power(number))
            }
            (None, 1) if disks.len() < MOST_DISKS => self.add_disk(),
            _ => Ok(()),
        }
    }

    fn add_disk(&mut self) -> Checked {
        let number = DiskNumber(self.disks.len() as u16);
        self.insert_disk(number);
        self.since_meets(number);
        self.recover(number)
    }

    /// A failed disk is taken back without a restart of the daemon, as in the node.
    fn take_back(&mut self, number: DiskNumber) -> Checked {
        self.step_until(|world| world.placing.is_empty())?;
        let holds = !self.files_on(number).is_empty();
        if holds {
            self.connections.clear();
            self.step_until(|world| world.asked.is_empty() && world.placing.is_empty())?;
            self.head = None;
        }
        let idle = |world: &Self| {
            let mut under_way = world.running.iter().map(|(on, ..)| on);
            let mut ended = world.ended.iter().map(|(on, ..)| on);
            !under_way.any(|on| *on == number) && !ended.any(|on| *on == number)
        };
        self.step_until(idle)?;
        let files = self.files_on(number);
        if let Some(disk) = self.disks.get_mut(&number) {
            disk.restart();
            disk.collect(&files);
        }
        self.unanswered.retain(|(on, ..), _| *on != number);
        self.troubles.io = true;
        self.recover(number)?;
        if holds {
            self.may_lack = true;
            return self.begin_head();
        }
        self.since_meets(number);
        self.head_event(HeadEvent::Leave(number))
    }

    /// A disk and what serves it lose power, and are there again at once; the head is not told, and what
    /// was on its way arrives all the same.
    fn lose_power(&mut self, number: DiskNumber) -> Checked {
        let own = self.running.iter().filter(|(on, ..)| *on == number);
        let ops: Vec<_> = own.map(|(_, _, op)| op.clone()).collect();
        self.running.retain(|(on, ..)| *on != number);
        self.ended.retain(|(on, ..)| *on != number);
        if let Some(disk) = self.disks.get_mut(&number) {
            disk.cut_power(&ops, &mut self.rng);
        }
        let asked: Vec<_> = self
            .unanswered
            .keys()
            .filter(|(on, ..)| *on == number)
            .copied()
            .collect();
        for key in asked {
            let link = (key.1.0, number);
            let lost = self.unanswered.remove(&key);
            self.answers.entry(link).or_default().extend(lost);
        }
        self.may_lack = true;
        self.restarted.insert(number);
        self.recover(number)
    }

    /// Has the head take in the disks that it was not started with.
    pub(super) fn join_disks(&mut self) -> Checked {
        let well = self.disks.iter().filter(|(_, disk)| !disk.failed());
        let well: Vec<_> = well.map(|(&number, _)| number).collect();
        for number in well {
            if self.head.as_ref().is_some_and(|head| !head.has(number)) {
                self.head_event(HeadEvent::Join(number))?;
            }
        }
        Ok(())
    }

    fn since_meets(&mut self, number: DiskNumber) {
        let incarnation = self.disks[&number].incarnation();
        self.since.meet(&[(number, Some(incarnation))].into());
    }

    fn step_until(&mut self, reached: impl Fn(&Self) -> bool) -> Checked {
        while !reached(self) {
            if !self.step()? {
                return Err("V13: what is on its way does not end".to_owned());
            }
        }
        Ok(())
    }
}
