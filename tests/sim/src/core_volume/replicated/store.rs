//! What the node asks of the store. It tries again until it is told (V4), and records who is in sync in
//! the order in which the head asked.

use rand::RngExt;
use volumed_core::head::HeadEvent;
use volumed_core::message::ExtentFile;
use volumed_core::placement::Placement;
use volumed_core::{Alloc, DiskNumber, ExtentIndex};

use super::{Checked, Rig, everywhere};

/// A change of the store on its way.
pub(super) enum Storing {
    Place(Vec<ExtentIndex>),
    Remove(Vec<ExtentFile>),
    Exclude(DiskNumber),
    Include(DiskNumber),
}

impl Rig {
    pub(super) fn store(&mut self, storing: Storing) -> Checked {
        let fails = self.weather.store > 0.0 && self.rng.random_bool(self.weather.store);
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
                    let placed = self.placed[&extent].clone();
                    self.tell(HeadEvent::Placed(extent, placed))?;
                }
                Ok(())
            }
            Storing::Remove(files) => {
                let extents = files.iter().map(|file| file.extent).collect();
                self.tell(HeadEvent::Unplaced(extents, Ok(())))
            }
            Storing::Exclude(disk) => self.tell(HeadEvent::Excluded(disk, Ok(()))),
            Storing::Include(disk) => {
                self.included += 1;
                self.tell(HeadEvent::Included(disk, Ok(())))
            }
        }
    }

    /// Files first, then the record; the record first, then the files.
    fn apply(&mut self, storing: &Storing) {
        self.revision += 1;
        match storing {
            Storing::Place(extents) => {
                let alloc = Alloc(self.revision - 1);
                for &extent in extents {
                    self.create(ExtentFile { extent, alloc });
                    let replicas = everywhere(&self.nodes);
                    self.placed.insert(extent, Placement { alloc, replicas });
                }
            }
            Storing::Remove(files) => {
                for file in files {
                    let placed = self.placed.get(&file.extent);
                    if placed.is_some_and(|placed| placed.alloc == file.alloc) {
                        self.placed.remove(&file.extent);
                    }
                }
            }
            Storing::Exclude(disk) => {
                self.stale.insert(*disk);
            }
            Storing::Include(disk) => {
                let incarnation = self.head.as_ref().and_then(|head| head.incarnation(*disk));
                self.stale.remove(disk);
                self.known.extend(incarnation.map(|it| (*disk, it)));
            }
        }
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
