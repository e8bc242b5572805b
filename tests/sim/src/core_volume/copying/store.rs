//! What the node asks of the store while extents are moved. It tries again until it is told (V4).

use std::ops::Range;

use rand::RngExt;
use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::{ExtentFile, OpId};
use volumed_core::placement::{Placement, Role};
use volumed_core::{Alloc, DiskNumber, ExtentIndex};

use super::super::Lie;
use super::super::moves::{Move, Noting};
use super::{Checked, Input, Rig};

/// A change of the store on its way.
pub(super) enum Storing {
    Place(Vec<ExtentIndex>),
    Remove(Vec<ExtentFile>),
    Mend(OpId, ExtentIndex, Range<u32>),
    Copy(Noting),
}

impl Rig {
    pub(super) fn store(&mut self, storing: Storing) -> Checked {
        let fails = self.weather.store > 0.0 && self.rng.random_bool(self.weather.store);
        // It is done all the same, now and then.
        if fails && self.rng.random_bool(0.5) {
            self.apply(&storing);
        }
        if fails {
            if let Storing::Copy(Noting::Switch(of)) = &storing
                && self.broken.is(Lie::GuessesSwitch)
            {
                let failed = Err(PlaceFailure::Failed);
                return self.feed(Input::Head(HeadEvent::Switched(of.file.extent, failed)));
            }
            self.storing.push(storing);
            return Ok(());
        }
        self.apply(&storing);
        let event = match storing {
            Storing::Place(extents) => {
                for extent in extents {
                    let placed = self.placed.extents[&extent].clone();
                    self.feed(Input::Head(HeadEvent::Placed(extent, placed)))?;
                }
                return Ok(());
            }
            Storing::Remove(files) => {
                HeadEvent::Unplaced(files.iter().map(|it| it.extent).collect(), Ok(()))
            }
            Storing::Mend(op, ..) => HeadEvent::Mended(op, Ok(())),
            Storing::Copy(Noting::Switch(of)) if !self.placed.has(of.file) => {
                return Err("an extent is removed while its copy becomes the replica".to_owned());
            }
            Storing::Copy(noting) => {
                let Some(event) = noting.event(&self.placed) else {
                    self.moves.end(noting.of().file.extent);
                    return Ok(());
                };
                event
            }
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
                    self.placed
                        .extents
                        .insert(extent, Placement { alloc, replicas });
                }
            }
            Storing::Remove(files) => {
                for file in files {
                    if self.placed.has(*file) {
                        self.lost.remove(&file.extent);
                        self.placed.remove(*file);
                    }
                }
            }
            Storing::Mend(_, extent, blocks) => self.mend(*extent, blocks),
            &Storing::Copy(noting) => {
                let Move { file, to, .. } = noting.of();
                if matches!(noting, Noting::Begin(_))
                    && self.placed.has(file)
                    && let Some(disk) = self.disks.get_mut(&to)
                {
                    disk.create(file);
                }
                self.placed.note(noting);
            }
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
