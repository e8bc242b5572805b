//! Extents that have fewer replicas than their volume is to have get new ones, those that have more give some up, and
//! those on disks that are drained on other nodes move. Each node sees to the volumes that it serves, and to some of
//! those that nobody does.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use volumed_core::message::ExtentFile;
use volumed_core::placement::Placement;
use volumed_core::{ByteCount, DiskNumber};

use crate::disks::drain::place_beside;
use crate::disks::moving::{MoveError, move_extent};
use crate::disks::pace::{Pace, Wanted};
use crate::disks::surplus::{Standing, give_up};
use crate::machine::Move;
use crate::store::placements::{self, Placements};
use crate::volume::Volume;
use crate::volumes::{Shared, Volumes};

/// How often it is looked whether something is to be done for the volumes that are served here.
const LOOK: Duration = Duration::from_secs(2);

/// How often all volumes are looked at, and at once when disks or nodes went or came.
const LOOK_AT_ALL: Duration = Duration::from_mins(5);

/// How many extents of a volume move before the next volume's turn.
const TURN: usize = 16;

/// How many give a replica up, which copies nothing.
const TURN_WITHOUT: usize = 512;

/// Which disks count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pool {
    /// What is on them is as good as gone: they left, or their node has been away for long.
    gone: BTreeSet<DiskNumber>,
    /// They are to be emptied, and no task of this node does it.
    leaving: BTreeSet<DiskNumber>,
    /// Disks of this node that are to be emptied.
    leaving_here: BTreeSet<DiskNumber>,
    /// How many replicas a volume has that has no number of its own.
    pub auto: u8,
}

/// What an extent needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    /// One more replica.
    Another,
    /// One in place of that on this disk.
    InPlaceOf(DiskNumber),
    /// The one on this disk is too much.
    Without(DiskNumber),
}

impl Volumes {
    /// From now on extents get the replicas that they lack, `rate` bytes of each volume in a second at most. Disks
    /// of a node count as gone once it has been away for `grace`.
    pub fn rebuild_in_background(&self, rate: ByteCount, grace: Duration) {
        let _ = self.shared.grace.set(grace);
        tokio::spawn(work(Arc::downgrade(&self.shared), rate));
    }
}

async fn work(shared: Weak<Shared>, rate: ByteCount) {
    let (mut before, mut looked) = (Pool::default(), None);
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.is_stopping() {
            continue;
        }
        let pool = shared.pool();
        let due = looked.is_none_or(|at: Instant| at.elapsed() >= LOOK_AT_ALL);
        let all = due || pool != before;
        let mut done = true;
        for volume in shared.all() {
            done &= of_volume(&shared, &volume, &pool, (rate, all)).await;
        }
        if all && done {
            (before, looked) = (pool, Some(Instant::now()));
        }
    }
}

impl Shared {
    pub(super) fn pool(&self) -> Pool {
        let node = &self.node;
        let grace = self.grace.get().copied().unwrap_or(Duration::MAX);
        let mut gone = node.disks.removed();
        let mut leaving = BTreeSet::new();
        if let Some(others) = &node.others {
            gone.extend(others.sight().long_away(grace));
            leaving = others.sight().draining();
        }
        let here = node.disks.all();
        let here = here.keys().copied();
        Pool {
            gone,
            leaving,
            leaving_here: here.filter(|disk| node.disks.is_draining(*disk)).collect(),
            auto: node.auto_replicas(),
        }
    }
}

/// Whether nothing is left to do, or nothing can be done.
async fn of_volume(
    shared: &Arc<Shared>,
    volume: &Arc<Volume>,
    pool: &Pool,
    (rate, all): (ByteCount, bool),
) -> bool {
    if !volume.machine.has_head() {
        return !all || of_unserved(shared, volume, pool, rate).await;
    }
    volume.follow_nodes(pool.auto).await;
    let needed = {
        let (wanted, standing) = (volume.machine.replicas(), pool.standing(volume));
        let need = |placed: &Placement| pool.need(placed, wanted, &standing);
        volume.machine.needed_replicas(need, TURN_WITHOUT)
    };
    let mut done = needed.len() < TURN_WITHOUT;
    let (mut fewer, mut moved) = (false, 0);
    for (file, needed) in needed {
        let met = if let Needed::Without(disk) = needed {
            fewer = true;
            give_up(&volume.machine, file, disk).await
        } else if moved == TURN {
            done = false;
            continue;
        } else {
            moved += 1;
            add_replica(shared, volume, (file, needed), rate).await
        };
        match met {
            Ok(()) | Err(MoveError::NoSpace) => {}
            Err(error) => {
                tracing::debug!(volume = %volume.name, extent = %file.extent, %error, "an extent does not have its replicas yet");
                done = false;
            }
        }
    }
    if fewer {
        volume.machine.limit(volume.view().quota);
    }
    done
}

/// The same of one that no node serves, if this is the node to do it: the first of those that hold it.
async fn of_unserved(
    shared: &Arc<Shared>,
    volume: &Arc<Volume>,
    pool: &Pool,
    rate: ByteCount,
) -> bool {
    let Ok(placements) = placements::load(&*shared.node.store, volume.id).await else {
        return false;
    };
    let wanted = volume.wanted_replicas(pool.auto);
    let mut standing = pool.standing(volume);
    standing.stale.clone_from(&placements.stale);
    let mut placed = placements.placed.values();
    let needs = placed.any(|placed| pool.need(placed, wanted, &standing).is_some());
    if !needs || !is_first(shared, &placements) {
        return true;
    }
    // Another node may serve it by now, and see to it.
    if volume.serve().await.is_err() {
        return true;
    }
    let done = Box::pin(of_volume(shared, volume, pool, (rate, true))).await;
    volume.rest().await;
    done
}

/// Whether this node is the first of those that hold something of a volume: it does what nobody else does.
pub(crate) fn is_first(shared: &Shared, placements: &Placements) -> bool {
    let here = shared.node.disks.all();
    let mut holders: BTreeSet<DiskNumber> = BTreeSet::new();
    for placed in placements.placed.values() {
        holders.extend(placed.in_sync(&placements.stale));
    }
    let Some(others) = &shared.node.others else {
        return true;
    };
    let sight = others.sight();
    let elsewhere = holders.iter().filter_map(|disk| sight.node_of(*disk));
    holders.iter().any(|disk| here.contains_key(disk)) && sight.is_lowest_of(elsewhere)
}

impl Pool {
    /// How the disks stand for a volume, as far as its head knows.
    fn standing(&self, volume: &Volume) -> Standing {
        let candidates = volume.machine.candidates().into_iter();
        Standing {
            gone: self.gone.clone(),
            leaving: &self.leaving | &self.leaving_here,
            stale: volume.machine.stale(),
            usable: candidates.map(|it| (it.disk, it)).collect(),
            own: volume.node().own().map_or(0, |own| own.0.into()),
        }
    }

    /// How many replicas an extent lacks of those that it is to have. One that has none left is lost, and gets none.
    pub(super) fn lacks(&self, placed: &Placement, wanted: u8) -> u64 {
        let there = placed.full().filter(|disk| !self.gone.contains(disk));
        match there.count() {
            0 => 0,
            there => usize::from(wanted).saturating_sub(there) as u64,
        }
    }

    /// What an extent needs.
    fn need(&self, placed: &Placement, wanted: u8, standing: &Standing) -> Option<Needed> {
        let (gone, there): (Vec<_>, Vec<_>) =
            placed.full().partition(|disk| self.gone.contains(disk));
        let busy = placed.replicas.len() > gone.len() + there.len();
        if there.is_empty() || busy {
            return None;
        }
        if there.len() < usize::from(wanted) {
            let gone = gone.first().copied();
            return Some(gone.map_or(Needed::Another, Needed::InPlaceOf));
        }
        if let Some(disk) = standing.too_much(placed, wanted) {
            return Some(Needed::Without(disk));
        }
        if there.len() > usize::from(wanted) {
            return None;
        }
        let leaving = there.iter().find(|disk| self.leaving.contains(disk));
        leaving.copied().map(Needed::InPlaceOf)
    }
}

async fn add_replica(
    shared: &Arc<Shared>,
    volume: &Arc<Volume>,
    (file, needed): (ExtentFile, Needed),
    rate: ByteCount,
) -> Result<(), MoveError> {
    let placed = placements::edit(&volume.machine.pages(), file, |_| {}).await;
    let placed = placed.map_err(|_| MoveError::Place)?;
    let placed = placed.ok_or(MoveError::Overtaken)?;
    let from = match needed {
        Needed::InPlaceOf(disk) => Some(disk),
        Needed::Another | Needed::Without(_) => None,
    };
    let to = place_beside(volume, &placed, file, from).ok_or(MoveError::NoSpace)?;
    if !volume.machine.joined(to).await {
        return Err(MoveError::Place);
    }
    let from = from.unwrap_or(to);
    let pace = Pace {
        shared: Arc::clone(shared),
        from,
        rate,
        wanted: Wanted::UntilStop,
        last: Instant::now(),
    };
    move_extent(&volume.machine, file, Move { from, to }, pace).await
}

#[cfg(test)]
mod tests {
    use volumed_core::Alloc;
    use volumed_core::placement::Role;

    use super::*;

    fn placed(on: &[(u16, Role)]) -> Placement {
        let replicas = on.iter().map(|(disk, role)| (DiskNumber(*disk), *role));
        Placement {
            alloc: Alloc(1),
            replicas: replicas.collect(),
        }
    }

    #[test]
    fn replicas_that_lack_are_counted() {
        use Role::{Full, Incoming};
        let pool = Pool {
            gone: [DiskNumber(7), DiskNumber(8)].into(),
            leaving: [DiskNumber(9)].into(),
            ..Pool::default()
        };
        let lacks = |on: &[(u16, Role)], wanted| pool.lacks(&placed(on), wanted);
        assert_eq!(lacks(&[(1, Full), (2, Full)], 2), 0);
        assert_eq!(lacks(&[(1, Full), (2, Full)], 1), 0, "one is too much");
        assert_eq!(lacks(&[(1, Full)], 3), 2);
        assert_eq!(lacks(&[(1, Full), (2, Incoming)], 2), 1, "it is on its way");
        assert_eq!(lacks(&[(1, Full), (7, Full), (8, Full)], 3), 2);
        assert_eq!(lacks(&[(1, Full), (9, Full)], 2), 0, "it is there still");
        assert_eq!(lacks(&[(7, Full), (8, Full)], 2), 0, "it is lost");
    }

    #[test]
    fn a_replica_is_added_replaced_or_given_up() {
        use Role::{Full, Incoming};
        let disk = DiskNumber;
        let pool = Pool {
            gone: [disk(7), disk(8)].into(),
            leaving: [disk(9)].into(),
            leaving_here: BTreeSet::new(),
            auto: 3,
        };
        let standing = Standing {
            gone: pool.gone.clone(),
            leaving: pool.leaving.clone(),
            ..Standing::default()
        };
        let need = |on: &[(u16, Role)], wanted| pool.need(&placed(on), wanted, &standing);
        assert_eq!(need(&[(1, Full), (2, Full)], 2), None);
        assert_eq!(need(&[(1, Full)], 2), Some(Needed::Another));
        assert_eq!(
            need(&[(1, Full), (7, Full)], 2),
            Some(Needed::InPlaceOf(disk(7)))
        );
        let without = |number| Some(Needed::Without(disk(number)));
        assert_eq!(need(&[(1, Full), (2, Full), (7, Full)], 2), without(7));
        assert_eq!(need(&[(1, Full), (2, Full), (9, Full)], 2), without(9));
        assert_eq!(
            need(&[(1, Full), (2, Incoming)], 2),
            None,
            "it is on its way"
        );
        assert_eq!(need(&[(7, Full), (8, Full)], 2), None, "nobody has it");
        assert_eq!(
            need(&[(1, Full), (9, Full)], 2),
            Some(Needed::InPlaceOf(disk(9)))
        );
        assert_eq!(
            need(&[(9, Full)], 2),
            Some(Needed::Another),
            "first it has enough"
        );
    }
}
