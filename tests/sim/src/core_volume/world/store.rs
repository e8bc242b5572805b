//! The store: where extents are placed. It may fail, answer late, or do what it says it did not.

use std::collections::BTreeMap;

use rand::RngExt;
use volumed_core::ExtentIndex;
use volumed_core::head::{HeadEvent, PlaceFailure};
use volumed_core::message::ExtentFile;
use volumed_core::placement::Placement;

use super::super::Lie;
use super::{Checked, World};

/// A placement or a removal on its way.
pub(super) enum Placing {
    Files(BTreeMap<ExtentIndex, Placement>),
    Record(BTreeMap<ExtentIndex, Placement>),
    Removal(Vec<ExtentFile>),
}

/// How a transaction goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transaction {
    Done,
    NotDone,
    /// It is done, and nobody is told.
    Untold,
}

impl World {
    fn transaction(&mut self) -> Transaction {
        let chance = self.weather.store;
        if chance == 0.0 || !self.rng.random_bool(chance) {
            return Transaction::Done;
        }
        self.troubles.io = true;
        if self.rng.random_bool(0.5) {
            Transaction::NotDone
        } else {
            Transaction::Untold
        }
    }

    /// As the node does it: a placement of which nobody tells the outcome failed, since nothing is
    /// written into it; a removal is tried again until it is told (V4).
    pub(super) fn place_step(&mut self, at: usize) -> Checked {
        match self.placing.swap_remove(at) {
            Placing::Files(placements) => {
                for (extent, placement) in placements {
                    self.make_files(extent, placement)?;
                }
            }
            Placing::Record(placements) => {
                let transaction = self.transaction();
                if transaction != Transaction::NotDone {
                    self.record(&placements);
                }
                for (extent, placement) in placements {
                    self.head_event(match transaction {
                        Transaction::Done => HeadEvent::Placed(extent, placement),
                        _ => HeadEvent::PlaceFailed(extent, PlaceFailure::Failed),
                    })?;
                }
            }
            Placing::Removal(files) => {
                let transaction = self.transaction();
                if transaction != Transaction::NotDone {
                    self.remove(&files);
                }
                let result = match transaction {
                    Transaction::Done => Ok(()),
                    _ if self.broken.is(Lie::GuessesRemoval) => Err(PlaceFailure::Failed),
                    _ => {
                        self.placing.push(Placing::Removal(files));
                        return Ok(());
                    }
                };
                let extents = files.iter().map(|file| file.extent).collect();
                self.head_event(HeadEvent::Unplaced(extents, result))?;
            }
        }
        Ok(())
    }

    fn make_files(&mut self, extent: ExtentIndex, placement: Placement) -> Checked {
        let disks: Vec<_> = placement.replicas.iter().map(|(disk, _)| *disk).collect();
        let failed = |disk| self.disks[disk].failed();
        if self.spread() && (disks.is_empty() || disks.iter().any(failed)) {
            return self.head_event(HeadEvent::PlaceFailed(extent, PlaceFailure::Failed));
        }
        let alloc = placement.alloc;
        for disk in disks {
            if let Some(disk) = self.disks.get_mut(&disk) {
                disk.create(ExtentFile { extent, alloc });
            }
        }
        self.placing
            .push(Placing::Record([(extent, placement)].into()));
        Ok(())
    }

    fn record(&mut self, placements: &BTreeMap<ExtentIndex, Placement>) {
        self.revision += 1;
        self.placed.extend(placements.clone());
    }

    fn remove(&mut self, files: &[ExtentFile]) {
        self.revision += 1;
        for file in files {
            let placed = self.placed.get(&file.extent);
            if placed.is_some_and(|placement| placement.alloc == file.alloc) {
                self.placed.remove(&file.extent);
            }
        }
    }

    /// The process dies: what it asked of the store is done or not.
    pub(super) fn lose_the_store(&mut self) {
        for placing in std::mem::take(&mut self.placing) {
            match placing {
                _ if self.rng.random_bool(0.5) => {}
                Placing::Files(_) => {}
                Placing::Record(placements) => self.record(&placements),
                Placing::Removal(files) => self.remove(&files),
            }
        }
    }
}
