//! Extents that the head copies to another disk, for whoever moves them.

use tokio::sync::mpsc;
use volumed_core::head::{CopyProgress, HeadEvent, PlaceFailure};
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Placement, Role};
use volumed_core::{DiskNumber, ExtentIndex};

use super::{Arc, Deed, Machine, State};
use crate::store::placements::{self, until_told};

/// Where a replica of an extent moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    pub from: DiskNumber,
    pub to: DiskNumber,
}

/// A copy, and who is told how it goes. Nobody is told more once the head is gone.
pub(super) struct Followed {
    of: Move,
    tell: mpsc::UnboundedSender<CopyProgress>,
}

impl Machine {
    /// Begins a change of where an extent is, under the head that there is now: no other one takes over
    /// before [`Machine::placing_ended`]. False if there is no head, or it may place nothing on `to`.
    pub fn begin_placing(&self, to: Option<DiskNumber>) -> bool {
        let mut state = self.state.lock();
        let head = state.head.as_ref();
        let may = head.is_some_and(|head| to.is_none_or(|to| head.has(to)));
        state.placing += usize::from(may);
        may
    }

    /// What the head tells of the copy of an extent from now on.
    pub fn follow(&self, extent: ExtentIndex, of: Move) -> mpsc::UnboundedReceiver<CopyProgress> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut state = self.state.lock();
        if state.head.is_some() {
            state.copies.insert(extent, Followed { of, tell });
        }
        told
    }

    /// Whether somebody moves the extent already.
    pub fn is_followed(&self, extent: ExtentIndex) -> bool {
        self.state.lock().copies.contains_key(&extent)
    }

    /// Has the head copy more of an extent.
    pub fn copy_on(self: &Arc<Self>, extent: ExtentIndex) {
        self.head_event(HeadEvent::CopyOn(extent));
    }
}

impl State {
    pub(super) fn copied(&mut self, extent: ExtentIndex, progress: CopyProgress) {
        if let Some(followed) = self.copies.get(&extent) {
            // Whoever moves it may have gone.
            let _ = followed.tell.send(progress);
        }
        let goes_on = matches!(progress, CopyProgress::Copied(_) | CopyProgress::Failed(_));
        if !goes_on {
            self.copies.remove(&extent);
        }
    }

    /// The store is to name the copy on `to` in place of what it was made from.
    pub(super) fn switch(&self, file: ExtentFile, to: DiskNumber) -> Deed {
        let followed = self.copies.get(&file.extent);
        let from = followed.map_or(to, |followed| followed.of.from);
        Deed::Switch(file, Move { from, to })
    }
}

/// Has the store name a replica of an extent no more, if it names another.
pub(crate) async fn give_up(machine: Arc<Machine>, file: ExtentFile, disk: DiskNumber) {
    let (volume, pages) = (machine.volume, machine.pages());
    let leaves = (disk, Role::Full);
    let placed = until_told(volume, || {
        placements::edit(&pages, file, |on| {
            let others = on.iter().any(|it| it.1 == Role::Full && *it != leaves);
            on.retain(|it| *it != leaves || !others);
        })
    });
    let gone = |placed: &Placement| !placed.replicas.contains(&leaves);
    let result = placed.await.map(|placed| placed.filter(gone));
    let result = result.ok().flatten().ok_or(PlaceFailure::Failed);
    machine.placing_ended(vec![HeadEvent::Switched(file.extent, result)]);
}

/// Has the store name the copy in place of what it was made from.
pub(crate) async fn switch(machine: Arc<Machine>, file: ExtentFile, of: Move) {
    let (volume, pages) = (machine.volume, machine.pages());
    let placed = until_told(volume, || {
        placements::edit(&pages, file, |on| {
            if on.contains(&(of.to, Role::Incoming)) {
                on.retain(|(disk, _)| *disk != of.to);
                let left = on.iter().position(|(disk, _)| *disk == of.from);
                let at = left.unwrap_or(on.len());
                on.splice(at..on.len().min(at + 1), [(of.to, Role::Full)]);
            }
        })
    });
    let moved = |placed: &Placement| placed.replicas.contains(&(of.to, Role::Full));
    let result = placed.await.map(|placed| placed.filter(moved));
    let result = result.ok().flatten().ok_or(PlaceFailure::Failed);
    machine.placing_ended(vec![HeadEvent::Switched(file.extent, result)]);
}
