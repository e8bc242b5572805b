//! When extents are copied, and where.

use rand::seq::IteratorRandom;
use volumed_core::DiskNumber;
use volumed_core::head::HeadEvent;
use volumed_core::message::ExtentFile;

use super::store::Storing;
use super::{Checked, Input, Rig};

impl Rig {
    /// One that moves away from its disk, if there is one.
    pub(super) fn begin_copy(&mut self) {
        let free = self
            .placed
            .iter()
            .filter(|it| !self.copying.contains_key(it.0) && !it.1.is_lost());
        let Some((&extent, placed)) = free.choose(&mut self.rng) else {
            return;
        };
        let alloc = placed.alloc;
        let from = placed.replicas[0].0;
        let (file, to) = (ExtentFile { extent, alloc }, DiskNumber(1 - from.0));
        self.copying.insert(extent, (file, to));
        self.storing.push(Storing::Begin(file, to));
    }

    /// A copy gets leave to go on.
    pub(super) fn copy_on(&mut self) -> Checked {
        match self.paused.pop_first() {
            Some(extent) => self.feed(Input::Head(HeadEvent::CopyOn(extent))),
            None => Ok(()),
        }
    }

    pub(super) fn begin_copy_from(&mut self, disk: DiskNumber) {
        if let Some(&file) = self.files(disk, true).first() {
            let to = DiskNumber(1 - disk.0);
            self.copying.insert(file.extent, (file, to));
            self.storing.push(Storing::Begin(file, to));
        }
    }
}
