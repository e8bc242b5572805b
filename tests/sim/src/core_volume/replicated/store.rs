//! What the node asks of the store. It tries again until it is told (V4), and records who is in sync in
//! the order in which the head asked.

use rand::RngExt;
use volumed_core::head::{HeadEvent, Lacks, PlaceFailure};
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Placement, Role};
use volumed_core::{Alloc, DiskNumber, ExtentIndex};

use super::super::moves::Noting;
use super::{Checked, Rig};

/// A change of the store on its way.
pub(super) enum Storing {
    Place(Vec<ExtentIndex>),
    Remove(Vec<ExtentFile>),
    Exclude(DiskNumber, Lacks),
    Include(DiskNumber),
    Copy(Noting),
    GiveUp(ExtentFile, DiskNumber),
}

impl Rig {
    pub(super) fn store(&mut self, storing: Storing) -> Checked {
        if matches!(storing, Storing::Place(_)) && self.disks_to_place_on().is_none() {
            self.storing.push(storing);
            return self.join_nodes();
        }
        let fails = self.weather.store > 0.0 && self.rng.random_bool(self.weather.store);
        if let Storing::Include(disk) = storing {
            self.check_included(disk)?;
        }
        // It is done all the same, now and then.
        if !fails || self.rng.random_bool(0.5) {
            self.apply(&storing);
        }
        if fails {
            self.troubled = true;
            self.storing.push(storing);
            return Ok(());
        }
        match storing {
            Storing::Place(extents) => {
                for extent in extents {
                    let placed = self.placed.extents[&extent].clone();
                    self.tell(HeadEvent::Placed(extent, placed))?;
                }
                Ok(())
            }
            Storing::Remove(files) => {
                let extents = files.iter().map(|file| file.extent).collect();
                self.tell(HeadEvent::Unplaced(extents, Ok(())))
            }
            Storing::Exclude(disk, _) => {
                let since = self.fell_behind.get(&disk).copied();
                self.tell(HeadEvent::Excluded(disk, Ok(since)))
            }
            Storing::Include(disk) => {
                self.included += 1;
                self.tell(HeadEvent::Included(disk, Ok(())))
            }
            Storing::Copy(noting) => {
                if let Some(event) = noting.event(&self.placed) {
                    return self.tell(event);
                }
                self.moves.end(noting.of().file.extent);
                Ok(())
            }
            Storing::GiveUp(file, _) => {
                let placed = self.placed.extents.get(&file.extent).cloned();
                let placed = placed.ok_or(PlaceFailure::Failed);
                self.tell(HeadEvent::Switched(file.extent, placed))
            }
        }
    }

    /// Files first, then the record; the record first, then the files.
    fn apply(&mut self, storing: &Storing) {
        self.revision += 1;
        match storing {
            Storing::Place(extents) => {
                for &extent in extents {
                    self.place(extent, Alloc(self.revision - 1));
                }
            }
            Storing::Remove(files) => files.iter().for_each(|file| self.placed.remove(*file)),
            &Storing::Exclude(disk, lacks) => {
                self.stale.insert(disk);
                self.fell_behind.remove(&disk);
                if lacks == Lacks::Changes {
                    self.fell_behind.insert(disk, Alloc(self.revision - 1));
                }
            }
            Storing::Include(disk) => {
                let incarnation = self.head.as_ref().and_then(|head| head.incarnation(*disk));
                self.stale.remove(disk);
                self.fell_behind.remove(disk);
                self.rely_on(incarnation.map(|it| (*disk, it)).into_iter().collect());
            }
            &Storing::Copy(noting) => self.note_copy(noting),
            &Storing::GiveUp(file, disk) => self.placed.give_up(file, disk),
        }
    }

    /// Whether a disk is about to be called in sync.
    pub(super) fn is_including(&self, disk: DiskNumber) -> bool {
        let includes = |it: &Storing| matches!(it, Storing::Include(it) if *it == disk);
        self.storing.iter().any(includes)
    }

    fn place(&mut self, extent: ExtentIndex, alloc: Alloc) {
        let disks = self.disks_to_place_on().unwrap_or_default();
        if disks.is_empty() {
            return;
        }
        for &disk in &disks {
            self.count_on(disk);
            self.create(ExtentFile { extent, alloc }, disk);
        }
        let replicas = disks.into_iter().map(|disk| (disk, Role::Full)).collect();
        let placement = Placement { alloc, replicas };
        self.placed.extents.insert(extent, placement);
    }

    /// The head is gone: what it asked of the store is done or not.
    pub(super) fn lose_the_store(&mut self) {
        for storing in std::mem::take(&mut self.storing) {
            if self.rng.random_bool(0.5) {
                self.apply(&storing);
            }
        }
    }
}
