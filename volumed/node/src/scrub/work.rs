//! The tasks that scrub, one for each disk.

use std::collections::btree_map::Entry;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use volumed_core::{BLOCK_SIZE, ByteCount, DiskNumber, REGION_SIZE, RegionIndex, VolumeId};
use volumed_meta::{Change, MetaStore};

use super::{Scrub, ScrubSettings};
use crate::clock::now;
use crate::disks::pace::{at_rate, leave_to_clients};
use crate::error::StartError;
use crate::store::records::{ScrubRecord, decode, encode, scrub_key};
use crate::view::{ScrubState, ScrubView};
use crate::volume::Volume;
use crate::volumes::{Shared, Volumes};

/// How often an idle disk is looked at.
const IDLE: Duration = Duration::from_secs(1);

/// A busy disk is left to its clients for so long before each region.
const YIELD: Duration = Duration::from_secs(1);

impl Volumes {
    /// Scrubs as the settings say, and sums anew what is suspect, in tasks that end with the volumes;
    /// from now on also the disks that are taken in.
    pub async fn scrub_in_background(&self, settings: ScrubSettings) {
        self.shared.scrubs.settings.get_or_init(|| settings);
        for &disk in self.shared.node.disks.all().keys() {
            begin(&self.shared, disk).await;
        }
    }

    /// Begins to scrub every disk that is not being scrubbed, or goes on where it was paused.
    pub async fn start_scrub(&self) {
        self.change_scrubs(|scrub| scrub.start(now())).await;
    }

    /// Pauses every scrub, those too that would begin by themselves, until it is started again, also over
    /// restarts.
    pub async fn pause_scrub(&self) {
        self.change_scrubs(Scrub::pause).await;
    }

    async fn change_scrubs(&self, change: impl Fn(&mut Scrub)) {
        let disks: Vec<_> = {
            let mut scrubs = self.shared.scrubs.disks.lock();
            scrubs.values_mut().for_each(change);
            scrubs.keys().copied().collect()
        };
        for disk in disks {
            note(&self.shared, disk).await;
        }
    }

    /// How far each disk's scrub is.
    pub fn scrubs(&self) -> Vec<ScrubView> {
        let disks = self.shared.node.disks.all();
        let scrubs = self.shared.scrubs.disks.lock();
        let view = |(number, scrub): (&DiskNumber, &Scrub)| {
            let disk = &disks.get(number)?.disk;
            let total = disk.space().used().0;
            let record = &scrub.record;
            Some(ScrubView {
                disk: disk.id(),
                path: disk.path().to_owned(),
                state: record.state,
                checked: ByteCount(record.checked),
                unchecked: record.unchecked,
                total: ByteCount(total),
                left: scrub.time_left(total),
                begun: record.begun,
                ended: record.ended,
                since: record.since,
                every: scrub.every,
            })
        };
        scrubs.iter().filter_map(view).collect()
    }
}

/// Begins the work on one disk, as the settings say, unless it was begun.
pub(crate) async fn begin(shared: &Arc<Shared>, disk: DiskNumber) {
    let Some(&settings) = shared.scrubs.settings.get() else {
        return;
    };
    let record = read_record(shared, disk).await.unwrap_or_else(|error| {
        tracing::warn!(%disk, %error, "how far a disk was scrubbed is unknown: it begins anew");
        ScrubRecord::new(now())
    });
    let scrub = Scrub::new(record, settings.every);
    match shared.scrubs.disks.lock().entry(disk) {
        Entry::Occupied(_) => return,
        Entry::Vacant(place) => place.insert(scrub),
    };
    // A disk that was never scrubbed is due after its first period here, not at once.
    note(shared, disk).await;
    tokio::spawn(work(Arc::downgrade(shared), disk, settings.rate));
}

async fn read_record(shared: &Shared, disk: DiskNumber) -> Result<ScrubRecord, StartError> {
    let found = shared.node.store.get(&scrub_key(disk)).await?;
    let record = found.as_ref().map(decode).transpose()?;
    Ok(record.unwrap_or_else(|| ScrubRecord::new(now())))
}

/// Works on one disk until the volumes are gone.
async fn work(shared: Weak<Shared>, disk: DiskNumber, rate: ByteCount) {
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let pause = one_region(&shared, disk, rate).await;
        drop(shared);
        tokio::time::sleep(pause).await;
    }
}

/// Sums a region anew or checks one, if there is one to be; answers how long to leave the disk alone.
async fn one_region(shared: &Arc<Shared>, disk: DiskNumber, rate: ByteCount) -> Duration {
    let all = shared.node.disks.all();
    let failed = all.get(&disk).is_none_or(|on| on.disk.failed());
    if failed || shared.stopping.load(std::sync::atomic::Ordering::Acquire) {
        return IDLE;
    }
    let volumes = by_id(shared);
    let whole = at_rate(REGION_SIZE, rate);
    if volumes.iter().any(|volume| volume.machine.resum_one(disk)) {
        return whole;
    }
    let Some(next) = position(shared, disk, &volumes).await else {
        return IDLE;
    };
    leave_to_clients(shared, disk, YIELD).await;
    let begun = Instant::now();
    for volume in volumes.iter().filter(|volume| volume.id >= next.0) {
        let from = if volume.id == next.0 {
            next.1
        } else {
            RegionIndex(0)
        };
        let Some((region, ended)) = volume.machine.scrub(disk, from) else {
            continue;
        };
        // It is dropped when the volume is deleted, or the disk taken back.
        let blocks = ended.await.unwrap_or(Some(0));
        let must_note = {
            let mut scrubs = shared.scrubs.disks.lock();
            let Some(scrub) = scrubs.get_mut(&disk) else {
                return IDLE;
            };
            scrub.looked_at(volume.id, region, blocks)
        };
        if must_note {
            note(shared, disk).await;
        }
        let Some(blocks) = blocks else {
            return IDLE;
        };
        let bytes = u64::from(blocks) * BLOCK_SIZE;
        return at_rate(bytes, rate).saturating_sub(begun.elapsed());
    }
    if let Some(scrub) = shared.scrubs.disks.lock().get_mut(&disk) {
        scrub.end(now());
    }
    tracing::info!(%disk, "the disk is scrubbed");
    note(shared, disk).await;
    IDLE
}

/// Where to go on, if the disk is to be scrubbed now.
async fn position(
    shared: &Arc<Shared>,
    disk: DiskNumber,
    volumes: &[Arc<Volume>],
) -> Option<(VolumeId, RegionIndex)> {
    let (next, due) = {
        let mut scrubs = shared.scrubs.disks.lock();
        let scrub = scrubs.get_mut(&disk)?;
        let due = scrub.is_due(now());
        if due {
            scrub.begin(now());
        }
        if scrub.record.state != ScrubState::Running {
            return None;
        }
        (scrub.record.next, due)
    };
    if due {
        note(shared, disk).await;
    }
    let (volume, region) = next.unwrap_or_else(|| {
        for volume in volumes {
            volume.machine.scrub_begins(disk);
        }
        (0, 0)
    });
    Some((VolumeId(volume), RegionIndex(region)))
}

/// Writes the record. One that is not written costs a repetition after a crash.
async fn note(shared: &Arc<Shared>, disk: DiskNumber) {
    let _noting = shared.scrubs.noting.lock().await;
    let record = {
        let mut scrubs = shared.scrubs.disks.lock();
        let Some(scrub) = scrubs.get_mut(&disk) else {
            return;
        };
        scrub.unnoted = 0;
        encode(&scrub.record)
    };
    let put = Change::Put(scrub_key(disk), record);
    let store: &dyn MetaStore = &*shared.node.store;
    if let Err(error) = store.transact(Vec::new(), vec![put]).await {
        tracing::warn!(%disk, %error, "how far the scrub is cannot be noted");
    }
}

fn by_id(shared: &Shared) -> Vec<Arc<Volume>> {
    let mut volumes = shared.all();
    volumes.sort_by_key(|volume| volume.id);
    volumes
}
