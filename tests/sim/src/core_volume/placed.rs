//! Where a volume's extents are, as the store says, and what it notes of copies.

use std::collections::{BTreeMap, BTreeSet};

use volumed_core::message::ExtentFile;
use volumed_core::placement::{Placement, Role};
use volumed_core::{DiskNumber, ExtentIndex};

use super::moves::{Move, Noting};

#[derive(Default)]
pub(super) struct Placed {
    pub extents: BTreeMap<ExtentIndex, Placement>,
}

impl Placed {
    /// What is placed on a disk; `full` leaves out what is only being copied there.
    pub fn files(&self, disk: DiskNumber, full: bool) -> BTreeSet<ExtentFile> {
        let here = |placed: &Placement| {
            let found = placed.replicas.iter().find(|(on, _)| *on == disk);
            found.is_some_and(|(_, role)| !full || *role == Role::Full)
        };
        let here = self.extents.iter().filter(|(_, placed)| here(placed));
        here.map(|(&extent, placed)| ExtentFile {
            extent,
            alloc: placed.alloc,
        })
        .collect()
    }

    pub fn has(&self, file: ExtentFile) -> bool {
        let placed = self.extents.get(&file.extent);
        placed.is_some_and(|placed| placed.alloc == file.alloc)
    }

    pub fn remove(&mut self, file: ExtentFile) {
        if self.has(file) {
            self.extents.remove(&file.extent);
        }
    }

    /// Whether the extent's record has the disk in this role.
    pub fn is_noted(&self, file: ExtentFile, replica: (DiskNumber, Role)) -> bool {
        let placed = self.extents.get(&file.extent).filter(|_| self.has(file));
        placed.is_some_and(|placed| placed.replicas.contains(&replica))
    }

    pub fn note(&mut self, noting: Noting) {
        let Move { file, from, to } = noting.of();
        let incoming = (to, Role::Incoming);
        self.edit(file, |on| match noting {
            Noting::Begin(_) if on.iter().all(|(disk, _)| *disk != to) => on.push(incoming),
            Noting::Switch(_) if on.contains(&incoming) => {
                on.retain(|(disk, _)| *disk != to);
                let left = on.iter().position(|(disk, _)| *disk == from);
                let at = left.unwrap_or(on.len());
                on.splice(at..on.len().min(at + 1), [(to, Role::Full)]);
            }
            Noting::Begin(_) | Noting::Switch(_) => {}
            Noting::Drop(_) => on.retain(|it| *it != incoming),
        });
    }

    /// The extent has no replica on the disk any more.
    pub fn give_up(&mut self, file: ExtentFile, disk: DiskNumber) {
        self.edit(file, |on| on.retain(|it| *it != (disk, Role::Full)));
    }

    /// Nobody goes on with the copies that were under way.
    pub fn forget_copies(&mut self) {
        for placed in self.extents.values_mut() {
            placed.replicas.retain(|(_, role)| *role == Role::Full);
        }
    }

    fn edit(&mut self, file: ExtentFile, edit: impl FnOnce(&mut Vec<(DiskNumber, Role)>)) {
        let placed = self.extents.get_mut(&file.extent);
        if let Some(placed) = placed.filter(|placed| placed.alloc == file.alloc) {
            edit(&mut placed.replicas);
        }
    }
}
