//! Extents that are copied from disk to disk, as the node sees to it.

use std::collections::{BTreeMap, BTreeSet};

use volumed_core::head::{CopyProgress, HeadEvent, PlaceFailure};
use volumed_core::message::ExtentFile;
use volumed_core::placement::Role;
use volumed_core::{DiskNumber, ExtentIndex};

use super::placed::Placed;

/// A replica that comes in place of the one on `from`, or beside the others if that is `to`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub file: ExtentFile,
    pub from: DiskNumber,
    pub to: DiskNumber,
}

/// What the store is to note of a copy.
#[derive(Debug, Clone, Copy)]
pub(super) enum Noting {
    /// It is incoming.
    Begin(Move),
    /// It is a replica.
    Switch(Move),
    /// It came to nothing.
    Drop(Move),
}

impl Noting {
    pub fn of(self) -> Move {
        match self {
            Self::Begin(of) | Self::Switch(of) | Self::Drop(of) => of,
        }
    }

    /// What the head is told once the store answered; nothing of a copy that did not come to begin.
    pub fn event(self, placed: &Placed) -> Option<HeadEvent> {
        let Move { file, to, .. } = self.of();
        match self {
            Self::Begin(_) => {
                let noted = placed.is_noted(file, (to, Role::Incoming));
                noted.then_some(HeadEvent::BeginCopy(file, to))
            }
            Self::Switch(_) => {
                let noted = placed.is_noted(file, (to, Role::Full));
                let placed = placed.extents.get(&file.extent).filter(|_| noted);
                let result = placed.cloned().ok_or(PlaceFailure::Failed);
                Some(HeadEvent::Switched(file.extent, result))
            }
            Self::Drop(_) => Some(HeadEvent::DropCopy(file, to)),
        }
    }
}

/// Copies under way, at most one of an extent.
#[derive(Debug, Default)]
pub(super) struct Moves {
    under_way: BTreeMap<ExtentIndex, Move>,
    /// Those that wait for leave to go on.
    paused: BTreeSet<ExtentIndex>,
    /// How many came to their end.
    pub done: usize,
    /// Extents that give a replica up.
    giving_up: BTreeSet<ExtentIndex>,
    /// How many did.
    pub given_up: usize,
}

impl Moves {
    pub fn is_moving(&self, extent: ExtentIndex) -> bool {
        self.under_way.contains_key(&extent)
    }

    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Where copies are made.
    pub fn targets(&self) -> impl Iterator<Item = DiskNumber> {
        self.under_way.values().map(|of| of.to)
    }

    pub fn begin(&mut self, of: Move) -> Noting {
        self.under_way.insert(of.file.extent, of);
        Noting::Begin(of)
    }

    pub fn switch(&self, file: ExtentFile, to: DiskNumber) -> Noting {
        let under_way = self.under_way.get(&file.extent);
        let from = under_way.map_or(to, |of| of.from);
        Noting::Switch(Move { file, from, to })
    }

    /// A replica is to go, in place of which none comes.
    pub fn give_up(&mut self, file: ExtentFile, disk: DiskNumber) {
        let of = Move {
            file,
            from: disk,
            to: disk,
        };
        self.under_way.insert(file.extent, of);
        self.giving_up.insert(file.extent);
    }

    /// An earlier head left a copy.
    pub fn left(&mut self, of: Move) -> Noting {
        self.under_way.insert(of.file.extent, of);
        Noting::Drop(of)
    }

    /// How a copy goes: one that failed is to be dropped.
    pub fn goes(&mut self, extent: ExtentIndex, progress: CopyProgress) -> Option<Noting> {
        self.paused.remove(&extent);
        match progress {
            CopyProgress::Copied(_) => {
                self.paused.insert(extent);
            }
            CopyProgress::Failed(_) => {
                return self.under_way.get(&extent).copied().map(Noting::Drop);
            }
            CopyProgress::Done => {
                if self.giving_up.contains(&extent) {
                    self.given_up += 1;
                } else {
                    self.done += 1;
                }
                self.end(extent);
            }
            CopyProgress::Dropped | CopyProgress::Stays => self.end(extent),
        }
        None
    }

    /// It came to nothing before it began.
    pub fn end(&mut self, extent: ExtentIndex) {
        self.under_way.remove(&extent);
        self.giving_up.remove(&extent);
    }

    pub fn paused(&self) -> usize {
        self.paused.len()
    }

    /// One that gets leave to go on.
    pub fn next(&mut self) -> Option<ExtentIndex> {
        self.paused.pop_first()
    }

    /// Nobody follows them any more.
    pub fn forget(&mut self) {
        self.under_way.clear();
        self.giving_up.clear();
        self.paused.clear();
    }
}
