//! Extents that have more replicas than they are to have: which goes, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use volumed_core::DiskNumber;
use volumed_core::head::{CopyProgress, HeadEvent};
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Candidate, Placement};

use crate::disks::moving::MoveError;
use crate::machine::{Machine, Move};
use crate::store::damage;

/// How the disks of a volume stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What is on them is as good as gone.
    pub gone: BTreeSet<DiskNumber>,
    /// They are to be emptied.
    pub leaving: BTreeSet<DiskNumber>,
    /// They may lack something of the volume.
    pub stale: BTreeSet<DiskNumber>,
    /// Disks on which extents may be placed.
    pub usable: BTreeMap<DiskNumber, Candidate>,
    /// The head's node.
    pub own: u64,
}

impl Standing {
    /// The replica that goes first of an extent with more than `wanted`: what is gone, what is to be emptied, what is
    /// stale, what shares a node with another, what is on another node than the head, what has least room. None as
    /// long as fewer than `wanted` others are well.
    pub fn too_much(&self, placed: &Placement, wanted: u8) -> Option<DiskNumber> {
        let full: Vec<_> = placed.full().collect();
        if full.len() <= usize::from(wanted) {
            return None;
        }
        let goes = full
            .iter()
            .copied()
            .max_by_key(|disk| self.rank(*disk, &full))?;
        let well = |disk: &&DiskNumber| **disk != goes && self.is_well(**disk);
        (full.iter().filter(well).count() >= usize::from(wanted)).then_some(goes)
    }

    fn is_well(&self, disk: DiskNumber) -> bool {
        !self.gone.contains(&disk) && !self.stale.contains(&disk)
    }

    fn rank(&self, disk: DiskNumber, full: &[DiskNumber]) -> impl Ord + use<> {
        let node = |disk: &DiskNumber| self.usable.get(disk).map(|it| it.node);
        let here = node(&disk);
        let beside = |other: &DiskNumber| *other != disk && here.is_some() && node(other) == here;
        (
            self.gone.contains(&disk),
            self.leaving.contains(&disk),
            self.stale.contains(&disk),
            full.iter().any(beside),
            here != Some(self.own),
            std::cmp::Reverse(self.usable.get(&disk).map(|it| it.free)),
        )
    }
}

/// Gives up the replica of an extent on a disk, whose record goes first: what a crash leaves are files without one.
pub(crate) async fn give_up(
    machine: &Arc<Machine>,
    file: ExtentFile,
    disk: DiskNumber,
) -> Result<(), MoveError> {
    if others_are_damaged(machine, file, disk).await? {
        return Err(MoveError::Needed);
    }
    if machine.is_followed(file.extent) || !machine.begin_placing(None) {
        return Err(MoveError::Overtaken);
    }
    let of = Move {
        from: disk,
        to: disk,
    };
    let mut told = machine.follow(file.extent, of);
    machine.placing_ended(vec![HeadEvent::GiveUp(file, disk)]);
    match told.recv().await {
        Some(CopyProgress::Done) => Ok(()),
        Some(CopyProgress::Stays) => Err(MoveError::Needed),
        _ => Err(MoveError::Overtaken),
    }
}

/// V10: whether another replica of the extent is known to be damaged, which this one may make good.
async fn others_are_damaged(
    machine: &Machine,
    file: ExtentFile,
    disk: DiskNumber,
) -> Result<bool, MoveError> {
    let known = damage::load(&*machine.node.store, machine.volume).await;
    let known = known.map_err(|_| MoveError::Place)?;
    Ok(known.iter().any(|(on, damage)| {
        let mut regions = damage.regions();
        let here = damage.more || regions.any(|region| region.extent() == file.extent);
        *on != disk && here
    }))
}

#[cfg(test)]
mod tests {
    use volumed_core::placement::Role;
    use volumed_core::{Alloc, ByteCount};

    use super::*;

    fn set(disks: &[u16]) -> BTreeSet<DiskNumber> {
        disks.iter().map(|disk| DiskNumber(*disk)).collect()
    }

    fn placed(on: &[u16]) -> Placement {
        let replicas = on.iter().map(|disk| (DiskNumber(*disk), Role::Full));
        Placement {
            alloc: Alloc(1),
            replicas: replicas.collect(),
        }
    }

    /// Disks 11 and 12 on node 1, where the head is, 21 on node 2, 31 on node 3, each with less room than the one before.
    fn rack() -> Standing {
        let candidate = |(left, disk): (u64, &u16)| {
            let it = Candidate {
                disk: DiskNumber(*disk),
                node: u64::from(disk / 10),
                free: ByteCount(1000 - left),
            };
            (it.disk, it)
        };
        Standing {
            usable: (0..).zip(&[11, 12, 21, 31]).map(candidate).collect(),
            own: 1,
            ..Standing::default()
        }
    }

    #[test]
    fn the_worst_placed_replica_goes() {
        let rack = rack();
        let goes = |on: &[u16], wanted| rack.too_much(&placed(on), wanted).map(|it| it.0);
        assert_eq!(goes(&[11, 21], 2), None);
        assert_eq!(goes(&[11, 21, 31], 2), Some(31), "it has least room");
        assert_eq!(goes(&[11, 21], 1), Some(21), "the head is on node 1");
        assert_eq!(goes(&[11, 12, 21], 2), Some(12), "its node has another");
    }

    #[test]
    fn what_is_not_well_goes_first() {
        let standing = |gone: &[u16], leaving: &[u16], stale: &[u16]| Standing {
            gone: set(gone),
            leaving: set(leaving),
            stale: set(stale),
            ..rack()
        };
        let of = placed(&[11, 21, 31]);
        let goes = |it: Standing, wanted| it.too_much(&of, wanted).map(|it| it.0);
        assert_eq!(goes(standing(&[], &[], &[21]), 2), Some(21));
        assert_eq!(goes(standing(&[], &[11], &[]), 2), Some(11));
        assert_eq!(goes(standing(&[21], &[11], &[]), 2), Some(21));
        assert_eq!(
            goes(standing(&[], &[11], &[21]), 2),
            None,
            "the one that is emptied is needed until the other is in sync"
        );
        assert_eq!(goes(standing(&[], &[11], &[21]), 1), Some(11));
        assert_eq!(goes(standing(&[11, 21], &[], &[31]), 1), None);
    }
}
