//! The store: where extents are placed.

use std::collections::BTreeMap;

use volumed_core::ExtentIndex;
use volumed_core::head::HeadEvent;
use volumed_core::message::ExtentFile;
use volumed_core::placement::Placement;

use super::{Checked, World};

/// A placement or a removal on its way.
pub(super) enum Placing {
    Files(BTreeMap<ExtentIndex, Placement>),
    Record(BTreeMap<ExtentIndex, Placement>),
    Removal(Vec<ExtentFile>),
}

impl World {
    pub(super) fn place_step(&mut self, at: usize) -> Checked {
        match self.placing.swap_remove(at) {
            Placing::Files(placements) => {
                for (&extent, placement) in &placements {
                    for disk in self.disks.values_mut() {
                        disk.create(ExtentFile {
                            extent,
                            alloc: placement.alloc,
                        });
                    }
                }
                self.placing.push(Placing::Record(placements));
            }
            Placing::Record(placements) => {
                self.revision += 1;
                self.placed.extend(placements.clone());
                for (extent, placement) in placements {
                    self.head_event(HeadEvent::Placed(extent, placement))?;
                }
            }
            Placing::Removal(files) => {
                self.revision += 1;
                for file in &files {
                    let placed = self.placed.get(&file.extent);
                    if placed.is_some_and(|placement| placement.alloc == file.alloc) {
                        self.placed.remove(&file.extent);
                    }
                }
                let extents = files.iter().map(|file| file.extent).collect();
                self.head_event(HeadEvent::Unplaced(extents, Ok(())))?;
            }
        }
        Ok(())
    }
}
