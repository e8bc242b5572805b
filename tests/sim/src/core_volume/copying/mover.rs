//! When extents are copied, and where.

use rand::seq::IteratorRandom;
use volumed_core::head::HeadEvent;
use volumed_core::message::ExtentFile;
use volumed_core::{DiskNumber, ExtentIndex};

use super::super::moves::Move;
use super::store::Storing;
use super::{Checked, Input, Rig};

impl Rig {
    /// One that moves away from its disk, if there is one.
    pub(super) fn begin_copy(&mut self) {
        let extents = self.placed.extents.iter();
        let free = extents.filter(|it| !self.moves.is_moving(*it.0) && !it.1.is_lost());
        let Some((&extent, placed)) = free.choose(&mut self.rng) else {
            return;
        };
        let alloc = placed.alloc;
        let from = placed.replicas[0].0;
        self.begin_copy_of(ExtentFile { extent, alloc }, from);
    }

    /// A copy gets leave to go on.
    pub(super) fn copy_on(&mut self) -> Checked {
        match self.moves.next() {
            Some(extent) => self.feed(Input::Head(HeadEvent::CopyOn(extent))),
            None => Ok(()),
        }
    }

    pub(super) fn begin_copy_from(&mut self, disk: DiskNumber) {
        if let Some(&file) = self.placed.files(disk, true).first() {
            self.begin_copy_of(file, disk);
        }
    }

    pub(super) fn begin_copy_of_extent(&mut self, extent: ExtentIndex) {
        let Some(placed) = self.placed.extents.get(&extent) else {
            return;
        };
        if let Some(&(from, _)) = placed.replicas.first() {
            let alloc = placed.alloc;
            self.begin_copy_of(ExtentFile { extent, alloc }, from);
        }
    }

    fn begin_copy_of(&mut self, file: ExtentFile, from: DiskNumber) {
        let to = DiskNumber(1 - from.0);
        let begun = self.moves.begin(Move { file, from, to });
        self.storing.push(Storing::Copy(begun));
    }
}
