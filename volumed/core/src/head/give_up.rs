//! An extent that has more replicas than it is to have gives one up: the store's record first, then the files.
//!
//! The record names who may be read. Were the files removed first, a crash in between would leave a record that counts
//! on a disk without them; the other way it leaves files that no record names, which are orphans and are removed when the
//! disk joins a head or its node starts. As with a copy that becomes a replica, nothing else of the extent is on its way
//! meanwhile, and until the store has answered the disk counts neither as a replica that others could rely on (V4) nor as
//! one that was removed.

use crate::DiskNumber;
use crate::message::{ExtentFile, OpId};
use crate::rules::Rule;

use super::copy::{CopyProgress, Step};
use super::{Head, HeadEffect};

impl Head {
    /// The extent's replica on the disk is to go.
    pub(super) fn begin_to_give_up(
        &mut self,
        file: ExtentFile,
        disk: DiskNumber,
        effects: &mut Vec<HeadEffect>,
    ) {
        if self.copies.is_changing(file.extent) || !self.extents.is_full_on(file, disk) {
            return effects.push(HeadEffect::Copy(file.extent, CopyProgress::Stays));
        }
        self.enter_step(file.extent, Step::GiveUp(disk, file));
    }

    /// Nothing of the extent is on its way. V4: the last replica in sync that is here stays, and so do all while they may
    /// differ. One that is away and could not be recorded stale, since another extent is on it alone, may never come back.
    pub(super) fn give_up(
        &mut self,
        op: OpId,
        file: ExtentFile,
        disk: DiskNumber,
        effects: &mut Vec<HeadEffect>,
    ) {
        let extent = file.extent;
        let others_hold = self.extents.get(extent).is_some_and(|placed| {
            let mut in_sync = self.extents.in_sync(placed);
            let other = in_sync.any(|it| it != disk && self.disks.contains(&it));
            other || !self.rules.kept(Rule::LastStays)
        });
        let changing = self.copies.is_changing(extent) || !self.extents.is_full_on(file, disk);
        if changing || !others_hold || self.is_unsure(op) {
            effects.push(HeadEffect::Copy(extent, CopyProgress::Stays));
            return self.complete(op, Ok(None), effects);
        }
        if self.rules.kept(Rule::LeavingIsNone) {
            self.extents.switching.insert(extent, Some(disk));
        }
        self.copies.switching.insert(extent, op);
        effects.push(HeadEffect::GiveUp(file, disk));
    }
}
