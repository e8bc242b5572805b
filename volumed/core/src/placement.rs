//! Where an extent's replicas go.

use std::collections::BTreeSet;

use crate::{Alloc, ByteCount, DiskNumber, ExtentIndex, VolumeId};

/// What a replica is to its extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It holds the extent, unless its disk is stale (V4).
    Full,
    /// The extent is being copied to it: its files are not to be collected, but nothing relies on
    /// what they hold.
    Incoming,
}

/// Where an extent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// When it was placed.
    pub alloc: Alloc,
    /// Its replicas, the one nearest to the head first. Without any it was lost with its disks.
    pub replicas: Vec<(DiskNumber, Role)>,
}

impl Placement {
    /// Whether no disk is left that had it: all its blocks are lost until it is placed anew.
    pub fn is_lost(&self) -> bool {
        self.replicas.is_empty()
    }

    /// Whether the disk has files of the extent.
    pub fn is_on(&self, disk: DiskNumber) -> bool {
        self.replicas.iter().any(|(on, _)| *on == disk)
    }

    /// Whether the disk holds the extent, not only a copy that is being made.
    pub fn is_full_on(&self, disk: DiskNumber) -> bool {
        self.replicas.contains(&(disk, Role::Full))
    }

    /// The disks that hold the extent, in sync or not.
    pub fn full(&self) -> impl Iterator<Item = DiskNumber> + Clone + '_ {
        let full = self.replicas.iter().filter(|(_, role)| *role == Role::Full);
        full.map(|(disk, _)| *disk)
    }

    /// The disks that hold every acknowledged write: full, and not among the volume's `stale` ones.
    pub fn in_sync<'a>(
        &'a self,
        stale: &'a BTreeSet<DiskNumber>,
    ) -> impl Iterator<Item = DiskNumber> + Clone + 'a {
        self.full().filter(|disk| !stale.contains(disk))
    }
}

/// A disk as placement sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The disk.
    pub disk: DiskNumber,
    /// A number for its node; only equality counts.
    pub node: u64,
    /// What can still be written.
    pub free: ByteCount,
}

/// Chooses `replicas` disks: the head's node first, different nodes while there are such, and
/// among equals more often the disk with more free space. `None` if there are too few disks with
/// room. The same input gives the same answer.
pub fn choose(
    volume: VolumeId,
    extent: ExtentIndex,
    replicas: u8,
    head_node: u64,
    candidates: &[Candidate],
) -> Option<Vec<DiskNumber>> {
    let mut left: Vec<Candidate> = candidates
        .iter()
        .copied()
        .filter(|candidate| candidate.free.0 > 0)
        .collect();
    let mut chosen: Vec<Candidate> = Vec::new();
    while chosen.len() < replicas.into() {
        let rank = |candidate: &Candidate| {
            let new_node = chosen.iter().all(|other| other.node != candidate.node);
            let local = chosen.is_empty() && candidate.node == head_node;
            (new_node, local)
        };
        let best = left.iter().enumerate().max_by(|(_, a), (_, b)| {
            rank(a)
                .cmp(&rank(b))
                .then_with(|| score(volume, extent, a).total_cmp(&score(volume, extent, b)))
        });
        let index = best.map(|(index, _)| index)?;
        chosen.push(left.swap_remove(index));
    }
    Some(chosen.into_iter().map(|candidate| candidate.disk).collect())
}

/// Weighted rendezvous: over many extents a disk wins in proportion to its free space.
fn score(volume: VolumeId, extent: ExtentIndex, candidate: &Candidate) -> f64 {
    let mut hash = mix(volume.0 ^ 0x9e37_79b9_7f4a_7c15);
    hash = mix(hash ^ extent.0);
    hash = mix(hash ^ u64::from(candidate.disk.0));
    let uniform = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    candidate.free.0 as f64 / -uniform.ln()
}

/// The finaliser of MurmurHash3 (public domain, Austin Appleby): every bit of the input moves
/// every bit of the output.
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::{Candidate, choose};
    use crate::{ByteCount, DiskNumber, ExtentIndex, VolumeId};

    fn candidate(disk: u16, node: u64, free: u64) -> Candidate {
        Candidate {
            disk: DiskNumber(disk),
            node,
            free: ByteCount(free),
        }
    }

    #[test]
    fn the_heads_node_comes_first_and_nodes_differ() {
        let disks = [
            candidate(1, 1, 9),
            candidate(2, 1, 9),
            candidate(3, 2, 1),
            candidate(4, 3, 1),
        ];
        for extent in 0..100 {
            let chosen = choose(VolumeId(1), ExtentIndex(extent), 3, 1, &disks).unwrap();
            assert!(chosen[0] == DiskNumber(1) || chosen[0] == DiskNumber(2));
            assert!(chosen.contains(&DiskNumber(3)) && chosen.contains(&DiskNumber(4)));
        }
    }

    #[test]
    fn a_full_disk_is_never_chosen() {
        let disks = [candidate(1, 1, 0), candidate(2, 1, 1)];
        assert_eq!(
            choose(VolumeId(1), ExtentIndex(0), 1, 1, &disks),
            Some(vec![DiskNumber(2)])
        );
        assert_eq!(choose(VolumeId(1), ExtentIndex(0), 2, 1, &disks), None);
    }

    #[test]
    fn extents_go_where_there_is_room() {
        let disks = [candidate(1, 1, 1 << 40), candidate(2, 1, 3 << 40)];
        let on_second = (0..4000)
            .filter(|&extent| {
                choose(VolumeId(7), ExtentIndex(extent), 1, 1, &disks) == Some(vec![DiskNumber(2)])
            })
            .count();
        assert!((2800..3200).contains(&on_second), "{on_second}");
    }
}
