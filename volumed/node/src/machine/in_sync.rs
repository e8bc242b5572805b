//! Who is in sync (V4): what the head knows is recorded, and stale disks are resynced.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use volumed_core::head::{Head, HeadEvent, Lacks, PlaceFailure};
use volumed_core::{Alloc, ByteCount, DiskNumber, Epoch, Incarnation, IoError, REGION_SIZE};
use volumed_meta::{Change, Compare, Outcome};

use crate::error::PlacementsError;
use crate::machine::placer::create_missing;
use crate::machine::{Deed, Machine, State};
use crate::store::placements::{self, until_told};
use crate::store::records::{
    StaleRecord, VERSION, VolumeRecord, decode, encode, stale_key, volume_key,
};
use crate::view::StaleView;

/// What is to be recorded of a disk.
#[derive(Debug, Clone, Copy)]
pub(super) enum InSync {
    /// It may lack what is acknowledged from here on, and maybe more.
    Not(DiskNumber, Lacks),
    /// It holds everything, under this incarnation.
    Again(DiskNumber, Option<Incarnation>),
    /// It serves under this incarnation, and holds nothing yet.
    Serves(DiskNumber, Incarnation),
}

/// Bytes of a region that are read of each replica in a second while a disk is resynced, at most, so that
/// clients are served beside it.
const RESYNCED_IN_A_SECOND: u64 = 256 << 20;

impl State {
    pub(super) fn incarnation(&self, disk: DiskNumber) -> Option<Incarnation> {
        self.head.as_ref().and_then(|head| head.incarnation(disk))
    }

    /// The head serves nobody any more: what it was asked has no answer.
    pub(super) fn abandon_head(&mut self, deeds: &mut VecDeque<Deed>) {
        self.drop_head();
        for (_, answer) in std::mem::take(&mut self.answers) {
            deeds.push_back(Deed::Reply(answer, Err(IoError::Gone)));
        }
    }
}

impl Machine {
    /// The head serves nobody any more, whatever is under way.
    pub fn abandon(self: &Arc<Self>) {
        let mut deeds = VecDeque::new();
        self.state.lock().abandon_head(&mut deeds);
        self.perform(deeds);
        self.progress.notify_waiters();
    }

    /// Whether the head goes on without the disk, which is stale by what it knows.
    pub fn does_without(&self, disk: DiskNumber) -> bool {
        let state = self.state.lock();
        state
            .head
            .as_ref()
            .is_some_and(|head| head.does_without(disk))
    }

    /// The incarnation of each disk that is in sync by what the head knows.
    pub fn in_sync(&self) -> BTreeMap<DiskNumber, Incarnation> {
        let state = self.state.lock();
        let in_sync = state.head.as_ref().map(|head| head.serving().collect());
        in_sync.unwrap_or_default()
    }

    /// The volume's record has the incarnations of these disks.
    pub fn noted(&self, disks: impl Iterator<Item = (DiskNumber, Incarnation)>) {
        self.state.lock().noted.extend(disks);
    }

    /// Has the volume's record name the incarnation of a disk before anything is placed on it: should it lose what
    /// was not flushed, that is known (V7). Whether it does.
    pub async fn note(self: &Arc<Self>, disk: DiskNumber) -> bool {
        let (epoch, incarnation) = {
            let state = self.state.lock();
            if !state.replicated {
                return true;
            }
            match (&state.head, state.incarnation(disk)) {
                (Some(_), Some(now)) if state.noted.get(&disk) == Some(&now) => return true,
                (Some(head), Some(now)) => (head.epoch(), now),
                _ => return false,
            }
        };
        let change = InSync::Serves(disk, incarnation);
        let noted = matches!(try_record(self, epoch, change).await, Ok(Recorded::Now(_)));
        if noted {
            self.noted([(disk, incarnation)].into_iter());
        }
        noted
    }

    /// Of the head that there is.
    pub fn head_epoch(&self) -> Option<Epoch> {
        self.state.lock().head.as_ref().map(Head::epoch)
    }

    /// Disks that may lack something, as far as the head knows.
    pub fn stale(&self) -> BTreeSet<DiskNumber> {
        let state = self.state.lock();
        state.head.iter().flat_map(Head::stale).collect()
    }

    /// Disks that lack something of the volume, as far as its head knows, and how much.
    pub fn stale_views(&self) -> Vec<StaleView> {
        let state = self.state.lock();
        let Some(head) = &state.head else {
            return Vec::new();
        };
        let of_disk = |disk: DiskNumber| StaleView {
            disk: self.node.disk_id(disk),
            left: state
                .resyncs
                .get(&disk)
                .map(|regions| ByteCount(regions * REGION_SIZE)),
        };
        head.lacking().into_iter().map(of_disk).collect()
    }

    /// Disks of the pool on which nothing can be done for the volume now: stale ones, and those of nodes that
    /// are away.
    pub fn absent(&self) -> BTreeSet<DiskNumber> {
        let mut absent = BTreeSet::new();
        if let Some(others) = &self.node.others {
            // A node without the store may still have a link: whatever is no candidate is absent.
            let there: BTreeSet<_> = others.disks().into_iter().map(|it| it.disk).collect();
            let away: Vec<_> = others.sight().all_disks().collect();
            absent.extend(away.into_iter().filter(|disk| !there.contains(disk)));
        }
        let pool = self.node.disks.all();
        let others = self.node.others.as_ref();
        let in_pool = |disk: &DiskNumber| {
            let away = others.is_some_and(|others| others.node_of(*disk).is_some());
            pool.contains_key(disk) || away
        };
        let state = self.state.lock();
        let stale = state.head.iter().flat_map(Head::stale);
        absent.extend(stale.filter(in_pool));
        absent
    }
}

/// Records it, unless another head has the volume than the one that asked: what one knows of a disk says
/// nothing of it under the next (V4).
pub(super) async fn record(machine: Arc<Machine>, epoch: Epoch, change: InSync) {
    let volume = machine.volume;
    let recorded = until_told(volume, || try_record(&machine, epoch, change)).await;
    let result = match recorded {
        Ok(Recorded::Now(since)) => Ok(since),
        Ok(Recorded::Overtaken) | Err(_) => Err(PlaceFailure::Failed),
    };
    let event = match change {
        InSync::Not(disk, _) => {
            tracing::warn!(%volume, %disk, "the disk is stale: it will be resynced once it is well");
            Some(HeadEvent::Excluded(disk, result))
        }
        InSync::Again(disk, incarnation) => {
            tracing::info!(%volume, %disk, "the disk is in sync");
            machine.state.lock().resyncs.remove(&disk);
            machine.noted(incarnation.map(|it| (disk, it)).into_iter());
            Some(HeadEvent::Included(disk, result.map(|_| ())))
        }
        InSync::Serves(..) => None,
    };
    let same = machine.head_epoch() == Some(epoch);
    machine.placing_ended(event.filter(|_| same).into_iter().collect());
}

/// Whether the store has it.
enum Recorded {
    /// Yes; and when the disk fell behind, if that is in it.
    Now(Option<Alloc>),
    /// The epoch is not the newest any more.
    Overtaken,
}

async fn try_record(
    machine: &Machine,
    epoch: Epoch,
    change: InSync,
) -> Result<Recorded, PlacementsError> {
    let (store, volume) = (&*machine.node.store, machine.volume);
    let key = volume_key(volume);
    loop {
        let Some(entry) = store.get(&key).await? else {
            return Err(PlacementsError::Gone);
        };
        let mut record: VolumeRecord = decode(&entry)?;
        if Epoch(record.epoch) != epoch {
            return Ok(Recorded::Overtaken);
        }
        let (mut changes, mut since) = (Vec::new(), None);
        match change {
            InSync::Not(disk, lacks) => {
                if lacks == Lacks::Changes {
                    since = Some(machine.node.now().await?);
                }
                let stale = StaleRecord {
                    version: VERSION,
                    epoch: record.epoch,
                    since: since.map(|since| since.0),
                };
                changes.push(Change::Put(stale_key(volume, disk), encode(&stale)));
            }
            InSync::Again(disk, incarnation) => {
                record.in_sync.extend(incarnation.map(|it| (disk.0, it.0)));
                changes.push(Change::Delete(stale_key(volume, disk)));
                changes.push(Change::Put(key.clone(), encode(&record)));
            }
            InSync::Serves(disk, incarnation) => {
                record.in_sync.insert(disk.0, incarnation.0);
                changes.push(Change::Put(key.clone(), encode(&record)));
            }
        }
        let same = Compare::Unchanged(key.clone(), entry.modified);
        if let Outcome::Committed(_) = store.transact(vec![same], changes).await? {
            return Ok(Recorded::Now(since));
        }
    }
}

/// Has a stale disk join the head, once it has the files of extents that were placed meanwhile.
pub(super) async fn rejoin(machine: Arc<Machine>, disk: DiskNumber) {
    let ready = make_missing(&machine, disk).await;
    machine.state.lock().rejoining.remove(&disk);
    if ready {
        machine.head_event(HeadEvent::Join(disk));
    }
}

async fn make_missing(machine: &Arc<Machine>, number: DiskNumber) -> bool {
    let (node, volume) = (&machine.node, machine.volume);
    let Ok(placed) = placements::load(&*node.store, volume).await else {
        return false;
    };
    let mut files = placed.on(number);
    // What it lacks of those that it had then must not be taken for empty.
    if let Some(since) = placed.fell_behind.get(&number) {
        files.retain(|file| file.alloc > *since);
    }
    if let Some(on) = node.disks.all().get(&number).cloned() {
        return create_missing(volume, &on, files).await.is_ok();
    }
    match (&node.others, machine.head_epoch()) {
        (Some(others), Some(epoch)) => {
            let made = others.create((volume, epoch), number, files, true);
            made.await.is_ok()
        }
        _ => false,
    }
}

/// Goes on with the resync of a disk, in a while.
pub(super) async fn go_on(machine: Arc<Machine>, disk: DiskNumber) {
    let pause = Duration::from_nanos(1_000_000_000 * REGION_SIZE / RESYNCED_IN_A_SECOND);
    tokio::time::sleep(pause).await;
    machine.head_event(HeadEvent::ResyncOn(disk));
}
