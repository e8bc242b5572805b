//! When sums go to their file. A region that is written is dirty, and what its file has of its sums is
//! not believed after a crash (V5, V10): so they are stored when it is cleaned, or when their memory is
//! needed.

use std::collections::BTreeSet;

use crate::RegionIndex;
use crate::message::{Ask, ExtentFile, Message};
use crate::rules::Rule;

use super::disk_op::RegionSums;
use super::{Bytes, DiskFault, DiskOp, DiskResult, Doing, Replica, ReplicaEffect};

impl Replica {
    /// Nobody uses the volume: gives back the memory of what can be loaded again.
    pub fn rest(&mut self) {
        self.regions.rest();
    }

    /// Grants memory for the checksums of so many regions, 4 KiB each, beside those in use. What must be
    /// stored before it can be forgotten goes when the next ones are loaded.
    pub fn keep_sums(&mut self, regions: usize) {
        self.regions.keep(regions);
        if self.regions.has_surplus() {
            self.regions.evict(&self.wanted());
            self.regions.evicted();
        }
    }

    /// Makes regions durable with their sums, so that they can be unmarked (V5).
    pub(super) fn settle(&mut self, message: Message, effects: &mut Vec<ReplicaEffect>) {
        let Ask::Settle { regions } = &message.ask else {
            return;
        };
        self.log.settles(regions);
        let extents: BTreeSet<_> = regions.iter().map(|region| region.extent()).collect();
        let held = extents.iter().filter_map(|&extent| self.held.get(extent));
        let files = held.map(|held| (held.file, held.allocated)).collect();
        let pages = if self.rules.kept(Rule::StoreSettled) {
            self.pages(regions.iter().copied().collect())
        } else {
            Vec::new()
        };
        let stored = names(&pages);
        let doing = Doing::Settle { message, stored };
        self.start(doing, DiskOp::Settle { files, pages }, effects);
    }

    pub(super) fn settled(
        &mut self,
        message: &Message,
        stored: &[(ExtentFile, RegionIndex)],
        result: DiskResult,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        self.note_stored(stored, result.is_ok());
        let outcome = result.map(|_| Bytes::new()).map_err(DiskFault::to_replica);
        self.finish(message, outcome, effects);
        self.retry_if_freed(effects);
    }

    /// Forgets sums when there are too many, and stores those first that their file does not have.
    pub(super) fn make_room(&mut self, effects: &mut Vec<ReplicaEffect>) {
        if !self.regions.has_surplus() {
            return;
        }
        let unstored = self.regions.evict(&self.wanted());
        if !unstored.is_empty() {
            let pages = self.pages(unstored);
            let stored = names(&pages);
            let doing = Doing::StoreSums { stored };
            self.start(doing, DiskOp::StoreSums { pages }, effects);
        }
    }

    /// Sums that could not be stored stay; the next ones that are loaded have it tried again.
    pub(super) fn sums_stored(
        &mut self,
        stored: &[(ExtentFile, RegionIndex)],
        well: bool,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        self.note_stored(stored, well);
        self.regions.evicted();
        self.retry_if_freed(effects);
        if well {
            self.make_room(effects);
        }
    }

    /// Begins to store those of the regions that are newer than their file.
    fn pages(&mut self, regions: Vec<RegionIndex>) -> Vec<RegionSums> {
        let held = &self.held;
        let regions = regions.into_iter();
        let held = |region: &RegionIndex| held.get(region.extent()).map(|held| held.file);
        let pages = self.regions.store(regions.filter(|it| held(it).is_some()));
        let with_file =
            |(region, page)| held(&region).map(|file| RegionSums { file, region, page });
        pages.into_iter().filter_map(with_file).collect()
    }

    /// Whether sums are on their way to the file of an extent.
    pub(super) fn is_storing(&self, file: ExtentFile) -> bool {
        self.doing.values().any(|doing| match doing {
            Doing::StoreSums { stored } | Doing::Settle { stored, .. } => {
                stored.iter().any(|(of, _)| *of == file)
            }
            _ => false,
        })
    }

    /// Another extent may lie there by now, whose sums are others.
    fn note_stored(&mut self, stored: &[(ExtentFile, RegionIndex)], well: bool) {
        for &(file, region) in stored {
            if self.holds(file) {
                self.regions.stored(region, well);
            }
        }
    }
}

fn names(pages: &[RegionSums]) -> Vec<(ExtentFile, RegionIndex)> {
    pages.iter().map(|page| (page.file, page.region)).collect()
}
