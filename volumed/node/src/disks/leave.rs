//! Disks that leave the pool.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::MutexGuard;
use volumed_core::{ByteCount, DiskId, DiskNumber, EXTENT_SIZE};
use volumed_meta::Change;

use crate::disks::PoolDisk;
use crate::error::ChangeDiskError;
use crate::store::disk_record::{change_record, refuse_removed};
use crate::store::recorded::read_volumes;
use crate::store::records::scrub_key;
use crate::volume::{Seat, Volume};
use crate::volumes::{Shared, Volumes};

/// A disk that is to leave.
struct Leaving {
    id: DiskId,
    number: DiskNumber,
    path: PathBuf,
    /// Nothing on it can be read, or moved elsewhere.
    dead: bool,
}

impl Volumes {
    /// Has a disk leave the pool that holds nothing of any volume; with `accept_loss` also one that failed
    /// or is missing, and what only it holds is lost. It is remembered as one that left: a start whose
    /// settings still name it passes it over, until it is added again.
    pub async fn remove_disk(&self, id: DiskId, accept_loss: bool) -> Result<(), ChangeDiskError> {
        let _turn = self.shared.disk_turn.lock().await;
        if self.stopping() {
            return Err(ChangeDiskError::Stopping);
        }
        let (shared, disks) = (&self.shared, &self.shared.node.disks);
        let Some(on) = disks.find(id) else {
            let missing = disks.missing();
            let found = missing.into_iter().find(|(_, it)| it.id == id);
            let (number, found) = found.ok_or(ChangeDiskError::NotFound(id))?;
            let (path, dead) = (found.path, true);
            let leaving = Leaving {
                id,
                number,
                path,
                dead,
            };
            return remove(shared, &leaving, accept_loss).await;
        };
        let others = disks.all();
        let mut others = others.values().filter(|other| other.number != on.number);
        if others.all(|other| other.disk.failed()) {
            return Err(ChangeDiskError::LastDisk(id));
        }
        let drained = disks.is_draining(on.number);
        disks.set_draining(on.number, true);
        let removed = remove(shared, &Leaving::of(&on), accept_loss).await;
        if removed.is_err() && !drained {
            self.place_again(&on).await;
        }
        removed
    }

    /// A removal failed: the disk is used as before. Not if the store has it as removed all the same, or
    /// does not tell: the next start would pass over what is placed there.
    async fn place_again(&self, on: &PoolDisk) {
        match refuse_removed(&*self.shared.node.store, on.disk.id()).await {
            Ok(()) => self.shared.node.disks.set_draining(on.number, false),
            Err(error) => {
                tracing::warn!(disk = %on.disk.id(), %error, "nothing is placed on the disk until it is known whether it was removed: `volumed disk remove` it again");
            }
        }
    }

    /// Has a disk leave that serves although the store has it as removed; any other is in the pool.
    pub(crate) async fn finish_removal(&self, on: &PoolDisk) -> Result<(), ChangeDiskError> {
        let id = on.disk.id();
        match refuse_removed(&*self.shared.node.store, id).await {
            Ok(()) => Err(ChangeDiskError::InPool(id)),
            // Whoever removed it accepted then what is lost.
            Err(ChangeDiskError::Removed { .. }) => {
                remove(&self.shared, &Leaving::of(on), true).await
            }
            Err(error) => Err(error),
        }
    }
}

impl Leaving {
    fn of(on: &PoolDisk) -> Self {
        Self {
            id: on.disk.id(),
            number: on.number,
            path: on.disk.path().to_owned(),
            dead: on.disk.failed(),
        }
    }
}

async fn remove(
    shared: &Arc<Shared>,
    leaving: &Leaving,
    accept_loss: bool,
) -> Result<(), ChangeDiskError> {
    let number = leaving.number;
    // Whatever was to be placed there has its record by then.
    for volume in shared.all() {
        volume.machine.placed().await;
    }
    let users = users(shared, number).await?;
    let may_lose = leaving.dead && accept_loss;
    if !users.is_empty() && !may_lose {
        return Err(refusal(leaving, &users));
    }
    // Until the seats are free again, nobody has a head that counts on the disk.
    let mut seats = Vec::new();
    for (volume, _) in &users {
        let seat = volume.seat.lock().await;
        seats.push(volume.lose(seat).await?);
    }
    let named = note_removed(shared, leaving).await?;
    // A volume that is made from here on gets no replica there.
    shared.node.disks.remove(number, named);
    shared.drains.forget(number);
    for volume in shared.all() {
        volume.machine.drop_replica(number).await;
    }
    for (volume, _) in &users {
        volume.know_lost().await?;
        tracing::warn!(volume = %volume.name, disk = %leaving.id, "what the disk held of the volume is lost");
    }
    shared.node.disks.share_file_systems();
    Ok(())
}

/// The volumes of which some record names the disk, and in how many extents.
async fn users(
    shared: &Arc<Shared>,
    number: DiskNumber,
) -> Result<Vec<(Arc<Volume>, usize)>, ChangeDiskError> {
    let mut users = Vec::new();
    let recorded = read_volumes(&*shared.node.store).await?;
    for volume in shared.all() {
        let placed = recorded.get(&volume.id);
        let extents = placed.map_or(0, |it| it.placements.on(number).len());
        if extents > 0 {
            users.push((volume, extents));
        }
    }
    Ok(users)
}

/// Why a disk does not leave that volumes have something on.
fn refusal(leaving: &Leaving, users: &[(Arc<Volume>, usize)]) -> ChangeDiskError {
    let id = leaving.id;
    let extents = users.iter().map(|(_, extents)| extents).sum();
    let volumes = users.iter().map(|(volume, _)| volume.name.clone());
    let volumes = volumes.collect();
    if !leaving.dead {
        return ChangeDiskError::InUse {
            id,
            extents,
            volumes,
        };
    }
    let held = |(volume, extents): &(Arc<Volume>, usize)| {
        let held = volume.machine.held_on(leaving.number);
        held.map_or(*extents as u64 * EXTENT_SIZE, |held| held.0)
    };
    ChangeDiskError::WouldLose {
        id,
        held: ByteCount(users.iter().map(held).sum()),
        volumes,
    }
}

/// Notes that the disk left; answers where the settings name it, unless it was added.
async fn note_removed(
    shared: &Arc<Shared>,
    leaving: &Leaving,
) -> Result<Option<PathBuf>, ChangeDiskError> {
    let scrub = [Change::Delete(scrub_key(leaving.number))];
    let before = change_record(&*shared.node.store, leaving.id, &scrub, |record| {
        record.added = None;
        record.drain = None;
        record.removed = true;
    });
    let added = before.await?.added.is_some();
    Ok((!added).then(|| leaving.path.clone()))
}

impl Volume {
    /// Ends the session: a disk that the volume has something on leaves. What was not flushed may have
    /// been there (V9).
    async fn lose<'a>(
        &'a self,
        mut seat: MutexGuard<'a, Seat>,
    ) -> Result<MutexGuard<'a, Seat>, ChangeDiskError> {
        if seat.deleted {
            return Ok(seat);
        }
        self.end(&mut seat).await;
        self.token_loses().await?;
        Ok(seat)
    }
}
