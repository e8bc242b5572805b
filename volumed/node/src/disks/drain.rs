//! Draining: a disk gets nothing new, and what it holds moves to the others while clients use it.
//!
//! That a disk is drained is in its record, so a restart goes on. Each disk that is drained has a task
//! that moves one extent at a time, no faster than it may, and waits for clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use volumed_core::message::ExtentFile;
use volumed_core::placement::{Candidate, Role, choose};
use volumed_core::{ByteCount, DiskId, DiskNumber};

use crate::disks::PoolDisk;
use crate::disks::join::change_record;
use crate::disks::moving::{MoveError, drop_copy, move_extent};
use crate::error::{ChangeDiskError, StartError};
use crate::scrub::{at_rate, leave_to_clients, now};
use crate::store::placements;
use crate::store::records::{DISKS, DiskRecord, DrainRecord, decode, read_all};
use crate::view::{DiskView, DrainState, DrainView};
use crate::volume::Volume;
use crate::volumes::{Shared, Volumes};

/// How long until what could not be moved is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// A busy disk is left to its clients for so long before each piece.
const YIELD: Duration = Duration::from_millis(50);

/// The node that everything is on.
const THIS_NODE: u64 = 0;

/// The drains of this node.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    state: Mutex<State>,
    /// Bytes that are moved off each disk in a second, at most; none before the tasks may run.
    rate: OnceLock<ByteCount>,
}

#[derive(Debug, Default)]
struct State {
    wanted: BTreeMap<DiskNumber, Drain>,
    /// Disks with a task, also while it clears up after a drain that nobody wants any more.
    working: BTreeSet<DiskNumber>,
}

#[derive(Debug, Clone)]
struct Drain {
    record: DrainRecord,
    state: DrainState,
    /// When this process went on, and what was left then.
    since: (Instant, u64),
}

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
            if let Some(drain) = record.drain {
                begin(shared, DiskNumber(record.number), drain);
            }
        }
        Ok(())
    }

    /// Places nothing more on a disk and moves what it holds to the others, over restarts. Answers once
    /// this is recorded; nothing happens if it is being done already.
    pub async fn drain_disk(&self, id: DiskId) -> Result<DiskView, ChangeDiskError> {
        let _turn = self.shared.disk_turn.lock().await;
        if self.stopping() {
            return Err(ChangeDiskError::Stopping);
        }
        let node = &self.shared.node;
        let on = node.disks.find(id).ok_or(ChangeDiskError::NotFound(id))?;
        self.refuse_removed(id).await?;
        if !self.shared.drains.is_wanted(on.number) {
            let drain = DrainRecord {
                begun: now(),
                held: on.disk.space().used().0,
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
        self.refuse_removed(id).await?;
        change_record(&*node.store, id, &[], |record| record.drain = None).await?;
        self.shared.drains.forget(on.number);
        node.disks.set_draining(on.number, false);
        self.view_of(id)
    }
}

impl Drains {
    /// Nobody wants the disk drained any more, or it left the pool.
    pub fn forget(&self, disk: DiskNumber) {
        self.state.lock().wanted.remove(&disk);
    }

    /// The disk is to be drained; true if that needs a task. One that still clears up after an earlier
    /// drain goes on with this one.
    fn want(&self, disk: DiskNumber, drain: Drain) -> bool {
        let mut state = self.state.lock();
        state.wanted.entry(disk).or_insert(drain);
        self.rate.get().is_some() && state.working.insert(disk)
    }

    /// Since when this process drains the disk, if anybody wants that.
    fn since(&self, disk: DiskNumber) -> Option<Instant> {
        let state = self.state.lock();
        state.wanted.get(&disk).map(|drain| drain.since.0)
    }

    /// The disk is empty; true if the task ends with that, and no other drain began meanwhile.
    fn drained(&self, disk: DiskNumber, since: Instant) -> bool {
        let mut state = self.state.lock();
        let drain = state.wanted.get_mut(&disk);
        let Some(drain) = drain.filter(|drain| drain.since.0 == since) else {
            return false;
        };
        drain.state = DrainState::Drained;
        state.working.remove(&disk)
    }

    /// The task has cleared up; true if it ends with that, since nobody wants the disk drained again.
    fn cleared_up(&self, disk: DiskNumber) -> bool {
        let mut state = self.state.lock();
        !state.wanted.contains_key(&disk) && state.working.remove(&disk)
    }

    /// How far the drain of a disk is that holds so much now.
    pub fn view(&self, disk: DiskNumber, held: ByteCount) -> Option<DrainView> {
        let state = self.state.lock();
        let drain = state.wanted.get(&disk)?;
        let (since, left) = drain.since;
        let moved = left.saturating_sub(held.0);
        let seconds = since.elapsed().as_secs_f64() * held.0 as f64 / moved.max(1) as f64;
        let moving = drain.state == DrainState::Moving && moved > 0;
        Some(DrainView {
            state: drain.state,
            begun: drain.record.begun,
            moved: ByteCount(drain.record.held.saturating_sub(held.0)),
            left: held,
            time_left: moving.then(|| Duration::from_secs_f64(seconds)),
        })
    }

    fn set(&self, disk: DiskNumber, state: DrainState) {
        if let Some(drain) = self.state.lock().wanted.get_mut(&disk) {
            drain.state = state;
        }
    }

    fn is_wanted(&self, disk: DiskNumber) -> bool {
        self.since(disk).is_some()
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
        Err(placements::PlacementsError::Gone) => return Look::Empty,
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
        if let Err(error) = volume.serve().await {
            tracing::warn!(volume = %volume.name, %error, "the volume cannot be served, nor moved");
            seen = Look::Stuck(DrainState::DiskFailed);
            break;
        }
        drop_left(&placements, volume, file).await;
        match move_one(shared, volume, file, from).await {
            Ok(()) | Err(MoveError::Overtaken) => {}
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

/// Moves an extent to where there is most room.
async fn move_one(
    shared: &Arc<Shared>,
    volume: &Arc<Volume>,
    file: ExtentFile,
    from: &Arc<PoolDisk>,
) -> Result<(), MoveError> {
    let placed = placements::edit(&*shared.node.store, volume.id, file, |_| {}).await;
    let placed = placed.map_err(|_| MoveError::Place)?;
    let here = |replicas: &[(DiskNumber, Role)]| replicas.contains(&(from.number, Role::Full));
    let Some(placed) = placed.filter(|placed| here(&placed.replicas)) else {
        return Err(MoveError::Overtaken);
    };
    let disks = volume.machine.candidates();
    let free = disks.iter().filter(|(on, _)| !placed.is_on(on.number));
    let candidates = free.map(|(on, free)| Candidate {
        disk: on.number,
        node: THIS_NODE,
        free: *free,
    });
    let candidates: Vec<_> = candidates.collect();
    let chosen = choose(volume.id, file.extent, 1, THIS_NODE, &candidates);
    let chosen = chosen.and_then(|chosen| chosen.first().copied());
    let to = disks.iter().find(|(on, _)| Some(on.number) == chosen);
    let (to, _) = to.ok_or(MoveError::NoSpace)?;
    let pace = Pace {
        shared: Arc::clone(shared),
        from: from.number,
        last: Instant::now(),
    };
    move_extent(&volume.machine, file, (from.number, to), pace).await
}

/// How fast an extent is moved.
pub(crate) struct Pace {
    shared: Arc<Shared>,
    from: DiskNumber,
    /// When the last piece was begun.
    last: Instant,
}

impl Pace {
    /// So much was copied: waits until more may be; false if nobody wants that any more.
    pub async fn goes_on(&mut self, bytes: u64) -> bool {
        let drains = &self.shared.drains;
        let rate = drains.rate.get().copied().unwrap_or(ByteCount(1));
        let pause = at_rate(bytes, rate).saturating_sub(self.last.elapsed());
        tokio::time::sleep(pause).await;
        leave_to_clients(&self.shared, self.from, YIELD).await;
        self.last = Instant::now();
        drains.is_wanted(self.from)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_one_task_also_when_it_is_drained_again_at_once() {
        let (drains, disk) = (Drains::default(), DiskNumber(3));
        let drain = || Drain {
            record: DrainRecord { begun: 0, held: 0 },
            state: DrainState::Moving,
            since: (Instant::now(), 0),
        };
        assert!(!drains.want(disk, drain()), "not before tasks may run");
        drains.rate.get_or_init(|| ByteCount(1));
        assert!(drains.want(disk, drain()));
        let before = drains.since(disk).expect("it is drained");
        drains.forget(disk);
        assert!(!drains.want(disk, drain()), "the task is there yet");
        assert!(!drains.cleared_up(disk) && !drains.drained(disk, before));
        drains.forget(disk);
        assert!(drains.cleared_up(disk));
        assert!(drains.want(disk, drain()));
        let since = drains.since(disk).expect("it is drained");
        assert!(drains.drained(disk, since));
        drains.forget(disk);
        assert!(drains.want(disk, drain()));
    }
}
