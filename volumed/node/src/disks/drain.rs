//! Draining: a disk gets nothing new, and what it holds moves to the others while clients use it.
//!
//! That a disk is drained is in its record, so a restart goes on. Each disk that is drained has a task
//! that moves one extent at a time, no faster than it may, and waits for clients.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use volumed_core::message::ExtentFile;
use volumed_core::placement::{Candidate, Placement, Role, choose};
use volumed_core::{ByteCount, DiskId, DiskNumber};

use crate::clock::now;
use crate::disks::PoolDisk;
use crate::disks::drains::Drain;
use crate::disks::moving::{MoveError, drop_copy, move_extent};
use crate::disks::pace::{Pace, Wanted};
use crate::disks::surplus::give_up;
use crate::error::{AttachError, ChangeDiskError, PlacementsError, StartError};
use crate::machine::Move;
use crate::store::disk_record::{change_record, refuse_removed};
use crate::store::placements;
use crate::store::records::{DISKS, DiskRecord, DrainRecord, decode, read_all};
use crate::view::{DiskView, DrainState};
use crate::volume::Volume;
use crate::volumes::{Shared, Volumes};

/// How long until what could not be moved is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// How a look at everything on a disk ended.
enum Look {
    /// Nothing is there.
    Empty,
    /// Something was moved, or may be at once.
    Again,
    /// Nothing can be moved for now.
    Stuck(DrainState),
}

impl Volumes {
    /// Goes on with the drains that the store records; from now on others may begin.
    pub async fn drain_in_background(&self, rate: ByteCount) -> Result<(), StartError> {
        let shared = &self.shared;
        shared.drains.rate.get_or_init(|| rate);
        for entry in read_all(&*shared.node.store, DISKS).await? {
            let record: DiskRecord = decode(&entry)?;
            let here = shared
                .node
                .disks
                .all()
                .contains_key(&DiskNumber(record.number));
            if let Some(drain) = record
                .drain
                .filter(|_| here || shared.node.others.is_none())
            {
                begin(shared, DiskNumber(record.number), drain);
            }
        }
        Ok(())
    }

    /// Places nothing more on a disk and moves what it holds to the others, over restarts. Answers once
    /// this is recorded; nothing happens if it is being done already.
    pub async fn drain_disk(&self, id: DiskId) -> Result<DiskView, ChangeDiskError> {
        self.drain_one(id, false).await
    }

    /// Drains every disk of this node, since the node is to be emptied; or, if it is to be used again, ends what
    /// was begun for that. To be called again and again: disks may come.
    pub async fn drain_with_node(&self, wanted: bool) -> Result<(), ChangeDiskError> {
        for on in self.shared.node.disks.all().values() {
            match self.shared.drains.record(on.number) {
                None if wanted => self.drain_one(on.disk.id(), true).await.map(drop)?,
                Some(record) if record.with_node && !wanted => {
                    self.cancel_drain(on.disk.id()).await.map(drop)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn drain_one(&self, id: DiskId, with_node: bool) -> Result<DiskView, ChangeDiskError> {
        let _turn = self.shared.disk_turn.lock().await;
        if self.stopping() {
            return Err(ChangeDiskError::Stopping);
        }
        let node = &self.shared.node;
        let on = node.disks.find(id).ok_or(ChangeDiskError::NotFound(id))?;
        refuse_removed(&*node.store, id).await?;
        if !self.shared.drains.is_wanted(on.number) {
            let drain = DrainRecord {
                begun: now(),
                held: on.disk.space().used().0,
                with_node,
            };
            let noted = |record: &mut DiskRecord| record.drain = Some(drain);
            change_record(&*node.store, id, &[], noted).await?;
            begin(&self.shared, on.number, drain);
        }
        self.view_of(id)
    }

    /// Lets extents be placed on a disk again; what was moved stays where it is.
    pub async fn cancel_drain(&self, id: DiskId) -> Result<DiskView, ChangeDiskError> {
        let _turn = self.shared.disk_turn.lock().await;
        let node = &self.shared.node;
        let on = node.disks.find(id).ok_or(ChangeDiskError::NotFound(id))?;
        refuse_removed(&*node.store, id).await?;
        change_record(&*node.store, id, &[], |record| record.drain = None).await?;
        self.shared.drains.forget(on.number);
        node.disks.set_draining(on.number, false);
        self.view_of(id)
    }
}

/// Places nothing more on the disk, and begins to move what it holds.
fn begin(shared: &Arc<Shared>, disk: DiskNumber, record: DrainRecord) {
    shared.node.disks.set_draining(disk, true);
    let held = shared.node.disks.all();
    let held = held.get(&disk).map_or(0, |on| on.disk.space().used().0);
    let drain = Drain {
        record,
        state: DrainState::Moving,
        since: (Instant::now(), held),
    };
    if shared.drains.want(disk, drain) {
        tokio::spawn(work(Arc::downgrade(shared), disk));
    }
}

/// Moves what is on a disk until nothing is, or nobody wants it moved.
async fn work(shared: Weak<Shared>, disk: DiskNumber) {
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if shared.stopping.load(Ordering::Acquire) {
            return;
        }
        let Some(since) = shared.drains.since(disk) else {
            forget_copies(&shared, disk).await;
            if shared.drains.cleared_up(disk) {
                return;
            }
            continue;
        };
        match look(&shared, disk).await {
            Look::Empty => {
                if shared.drains.drained(disk, since) {
                    tracing::info!(%disk, "the disk is drained");
                    return;
                }
            }
            Look::Again => shared.drains.set(disk, DrainState::Moving),
            Look::Stuck(state) => {
                shared.drains.set(disk, state);
                drop(shared);
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Moves what is found on the disk, one extent after the other.
async fn look(shared: &Arc<Shared>, disk: DiskNumber) -> Look {
    let all = shared.node.disks.all();
    let Some(from) = all.get(&disk).filter(|on| !on.disk.failed()) else {
        return Look::Stuck(DrainState::DiskFailed);
    };
    let mut seen = Look::Empty;
    for volume in shared.all() {
        // What was chosen for the disk before the drain began has its record now.
        volume.machine.placed().await;
        match of_volume(shared, &volume, from).await {
            Look::Empty => {}
            other => seen = other,
        }
        if !matches!(seen, Look::Empty) && !shared.drains.is_wanted(disk) {
            return Look::Again;
        }
    }
    seen
}

async fn of_volume(shared: &Arc<Shared>, volume: &Arc<Volume>, from: &Arc<PoolDisk>) -> Look {
    let on = from.number;
    let store = &*shared.node.store;
    let placements = match placements::load(store, volume.id).await {
        Ok(placements) => placements,
        Err(PlacementsError::Gone) => return Look::Empty,
        Err(error) => {
            tracing::warn!(volume = %volume.name, %error, "where the volume is cannot be read");
            return Look::Stuck(DrainState::Moving);
        }
    };
    let files = placements.on(on);
    if files.is_empty() {
        return Look::Empty;
    }
    let mut seen = Look::Again;
    for file in files {
        if shared.stopping.load(Ordering::Acquire) || !shared.drains.is_wanted(on) {
            break;
        }
        let served = volume.serve().await;
        if matches!(served, Err(AttachError::ServedElsewhere(..))) {
            // Whoever serves it moves it.
            return Look::Stuck(DrainState::Moving);
        }
        if let Err(error) = served {
            tracing::warn!(volume = %volume.name, %error, "the volume cannot be served, nor moved");
            seen = Look::Stuck(DrainState::DiskFailed);
            break;
        }
        volume.follow_nodes(shared.node.auto_replicas()).await;
        drop_left(&placements, volume, file).await;
        match move_one(shared, volume, file, from).await {
            Ok(()) | Err(MoveError::Overtaken) => {}
            Err(MoveError::Needed) => seen = Look::Stuck(DrainState::Moving),
            Err(MoveError::NoSpace) => seen = Look::Stuck(DrainState::WaitingForRoom),
            Err(error) => {
                tracing::warn!(volume = %volume.name, extent = %file.extent, %error, "an extent cannot be moved");
                seen = Look::Stuck(DrainState::DiskFailed);
            }
        }
        if matches!(seen, Look::Stuck(_)) {
            break;
        }
    }
    volume.rest().await;
    seen
}

/// Moves an extent to where there is most room, or gives it up here if it has enough replicas elsewhere.
async fn move_one(
    shared: &Arc<Shared>,
    volume: &Arc<Volume>,
    file: ExtentFile,
    from: &Arc<PoolDisk>,
) -> Result<(), MoveError> {
    let placed = placements::edit(&volume.machine.pages(), file, |_| {}).await;
    let placed = placed.map_err(|_| MoveError::Place)?;
    let here = |replicas: &[(DiskNumber, Role)]| replicas.contains(&(from.number, Role::Full));
    let Some(placed) = placed.filter(|placed| here(&placed.replicas)) else {
        return Err(MoveError::Overtaken);
    };
    let wanted = volume.machine.replicas();
    if placed.full().count() > usize::from(wanted) {
        let in_sync = placed
            .in_sync(&volume.machine.stale())
            .filter(|it| *it != from.number)
            .count();
        if in_sync < usize::from(wanted) {
            return Err(MoveError::Needed);
        }
        return give_up(&volume.machine, file, from.number).await;
    }
    let to = place_beside(volume, &placed, file, Some(from.number)).ok_or(MoveError::NoSpace)?;
    if !volume.machine.joined(to).await {
        return Err(MoveError::Place);
    }
    let pace = Pace {
        shared: Arc::clone(shared),
        from: from.number,
        rate: shared.drains.rate.get().copied().unwrap_or(ByteCount(1)),
        wanted: Wanted::WhileDrained,
        last: Instant::now(),
    };
    let of = Move {
        from: from.number,
        to,
    };
    move_extent(&volume.machine, file, of, pace).await
}

/// Where a replica of an extent is to go, maybe in place of one: to a node that has none, if there is one.
pub(crate) fn place_beside(
    volume: &Volume,
    placed: &Placement,
    file: ExtentFile,
    leaves: Option<DiskNumber>,
) -> Option<DiskNumber> {
    let candidates = volume.machine.candidates();
    let stays = |disk: DiskNumber| placed.is_on(disk) && Some(disk) != leaves;
    let nodes = candidates.iter().filter(|it| stays(it.disk));
    let nodes: BTreeSet<_> = nodes.map(|it| it.node).collect();
    let free = candidates.iter().filter(|it| !placed.is_on(it.disk));
    let free: Vec<_> = free.copied().collect();
    let on_new_nodes = free.iter().filter(|it| !nodes.contains(&it.node));
    let on_new_nodes: Vec<_> = on_new_nodes.copied().collect();
    let choose = |among: &[Candidate]| {
        let own = volume.node().own().map_or(0, |own| own.0.into());
        choose(volume.id, file.extent, 1, own, among)?
            .first()
            .copied()
    };
    choose(&on_new_nodes).or_else(|| choose(&free))
}

/// Removes what an earlier head left of a copy of the extent.
async fn drop_left(placements: &placements::Placements, volume: &Arc<Volume>, file: ExtentFile) {
    let placed = placements.placed.get(&file.extent);
    for (disk, role) in placed.into_iter().flat_map(|placed| &placed.replicas) {
        if *role == Role::Incoming {
            drop_copy(&volume.machine, file, *disk).await;
        }
    }
}

/// Nobody wants the disk drained any more: removes what is left of copies from it.
async fn forget_copies(shared: &Arc<Shared>, disk: DiskNumber) {
    for volume in shared.all() {
        let Ok(placements) = placements::load(&*shared.node.store, volume.id).await else {
            continue;
        };
        let incoming = |file: &ExtentFile| {
            let placed = placements.placed.get(&file.extent);
            placed.is_some_and(|it| it.replicas.iter().any(|(_, role)| *role == Role::Incoming))
        };
        let left: Vec<_> = placements.on(disk).into_iter().filter(incoming).collect();
        if left.is_empty() || volume.serve().await.is_err() {
            continue;
        }
        for file in left {
            drop_left(&placements, &volume, file).await;
        }
        volume.rest().await;
    }
}
