//! What the node asks of the store while extents are moved. It tries again until it is told (V4).

use std::ops::Range;

use rand::RngExt;
use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::{ExtentFile, OpId};
use volumed_core::placement::{Placement, Role};
use volumed_core::{Alloc, DiskNumber, ExtentIndex};

use super::super::Lie;
use super::{Checked, Input, Rig};

/// A change of the store on its way.
pub(super) enum Storing {
    Place(Vec<ExtentIndex>),
    Remove(Vec<ExtentFile>),
    Mend(OpId, ExtentIndex, Range<u32>),
    Begin(ExtentFile, DiskNumber),
    Switch(ExtentFile, DiskNumber),
    Drop(ExtentFile, DiskNumber),
}

impl Rig {
    pub(super) fn store(&mut self, storing: Storing) -> Checked {
        let fails = self.weather.store > 0.0 && self.rng.random_bool(self.weather.store);
        // It is done all the same, now and then.
        if fails && self.rng.random_bool(0.5) {
            self.apply(&storing);
        }
        if fails {
            if let (Storing::Switch(file, _), true) = (&storing, self.broken.is(Lie::GuessesSwitch))
            {
                let failed = Err(PlaceFailure::Failed);
                return self.feed(Input::Head(HeadEvent::Switched(file.extent, failed)));
            }
            self.storing.push(storing);
            return Ok(());
        }
        self.apply(&storing);
        let event = match storing {
            Storing::Place(extents) => {
                for extent in extents {
                    let placed = self.placed[&extent].clone();
                    self.feed(Input::Head(HeadEvent::Placed(extent, placed)))?;
                }
                return Ok(());
            }
            Storing::Remove(files) => {
                HeadEvent::Unplaced(files.iter().map(|it| it.extent).collect(), Ok(()))
            }
            Storing::Mend(op, ..) => HeadEvent::Mended(op, Ok(())),
            Storing::Begin(file, _) if !self.is_placed(file) => {
                self.copying.remove(&file.extent);
                return Ok(());
            }
            Storing::Begin(file, to) => HeadEvent::BeginCopy(file, to),
            Storing::Switch(file, _) if !self.is_placed(file) => {
                return Err("an extent is removed while its copy becomes the replica".to_owned());
            }
            Storing::Switch(file, _) => {
                HeadEvent::Switched(file.extent, Ok(self.placed[&file.extent].clone()))
            }
            Storing::Drop(file, disk) => HeadEvent::DropCopy(file, disk),
        };
        self.feed(Input::Head(event))
    }

    /// Files first, then the record; the record first, then the files.
    fn apply(&mut self, storing: &Storing) {
        self.revision += 1;
        match storing {
            Storing::Place(extents) => {
                let alloc = Alloc(self.revision - 1);
                let on = DiskNumber(self.rng.random_range(0..2));
                for &extent in extents {
                    if let Some(disk) = self.disks.get_mut(&on) {
                        disk.create(ExtentFile { extent, alloc });
                    }
                    let replicas = vec![(on, Role::Full)];
                    self.placed.insert(extent, Placement { alloc, replicas });
                }
            }
            Storing::Remove(files) => {
                for file in files {
                    if self.is_placed(*file) {
                        self.lost.remove(&file.extent);
                        self.placed.remove(&file.extent);
                    }
                }
            }
            Storing::Mend(_, extent, blocks) => self.mend(*extent, blocks),
            &Storing::Begin(file, to) if self.is_placed(file) => {
                if let Some(disk) = self.disks.get_mut(&to) {
                    disk.create(file);
                }
                let incoming = (to, Role::Incoming);
                self.edit(file, |on| {
                    if !on.contains(&incoming) {
                        on.push(incoming);
                    }
                });
            }
            Storing::Begin(..) => {}
            &Storing::Switch(file, to) => self.edit(file, |on| *on = vec![(to, Role::Full)]),
            &Storing::Drop(file, disk) => {
                self.edit(file, |on| on.retain(|it| *it != (disk, Role::Incoming)));
            }
        }
    }

    fn is_placed(&self, file: ExtentFile) -> bool {
        let placed = self.placed.get(&file.extent);
        placed.is_some_and(|placed| placed.alloc == file.alloc)
    }

    fn edit(&mut self, file: ExtentFile, edit: impl FnOnce(&mut Vec<(DiskNumber, Role)>)) {
        let placed = self.placed.get_mut(&file.extent);
        if let Some(placed) = placed.filter(|placed| placed.alloc == file.alloc) {
            edit(&mut placed.replicas);
        }
    }

    /// The process dies: what it asked of the store is done or not.
    pub(super) fn lose_the_store(&mut self) {
        for storing in std::mem::take(&mut self.storing) {
            if self.rng.random_bool(0.5) {
                self.apply(&storing);
            }
        }
    }
}
