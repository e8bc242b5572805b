//! Scrubbing: every disk is read from its first block to its last and compared with its sums, in the
//! background, at a bounded rate. The same task sums anew what an unclean stop left suspect.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use volumed_core::{BLOCK_SIZE, ByteCount, DiskNumber, REGION_SIZE, RegionIndex, VolumeId};
use volumed_meta::{Change, MetaStore};

use crate::error::StartError;
use crate::store::records::{SCRUB, ScrubRecord, VERSION, decode, encode, read_all, scrub_key};
use crate::view::{ScrubState, ScrubView};
use crate::volume::Volume;
use crate::volumes::{Shared, Volumes};

/// How often an idle disk is looked at.
const IDLE: Duration = Duration::from_secs(1);

/// A busy disk is left to its clients for so long before each region.
const YIELD: Duration = Duration::from_secs(1);

/// After so many regions the position is noted: a crash repeats no more.
const NOTED_EVERY: u32 = 256;

/// How often a region is tried that cannot be checked.
const TRIES: u32 = 3;

/// How to scrub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubSettings {
    /// Time from the end of one scrub to the beginning of the next; none begins by itself without it.
    pub every: Option<Duration>,
    /// What is read of each disk in a second, at most.
    pub rate: ByteCount,
}

/// The scrubs of this node.
#[derive(Debug, Default)]
pub(super) struct Scrubs {
    disks: Mutex<BTreeMap<DiskNumber, Scrub>>,
    /// Held while a record is written: none may overtake a newer one.
    noting: tokio::sync::Mutex<()>,
    /// None until the background tasks are to run.
    settings: OnceLock<ScrubSettings>,
}

/// The scrub of a disk.
#[derive(Debug, Clone)]
struct Scrub {
    record: ScrubRecord,
    /// What this process read since it began or went on, and when that was.
    pace: Option<(Instant, u64)>,
    /// Regions since the record was last written.
    unnoted: u32,
    /// How often the region was tried that is next.
    tries: u32,
    every: Option<Duration>,
}

impl Scrub {
    fn new(record: ScrubRecord, every: Option<Duration>) -> Self {
        Self {
            record,
            pace: None,
            unnoted: 0,
            tries: 0,
            every,
        }
    }

    fn begin(&mut self, now: u64) {
        self.record.state = ScrubState::Running;
        self.record.next = None;
        self.record.checked = 0;
        self.record.unchecked = 0;
        self.record.begun = Some(now);
        self.pace = None;
    }

    /// Whoever paused it meanwhile has the next one wait.
    fn end(&mut self, now: u64) {
        if self.record.state == ScrubState::Running {
            self.record.state = ScrubState::Idle;
        }
        self.record.next = None;
        self.record.ended = Some(now);
    }

    fn start(&mut self, now: u64) {
        match self.record.state {
            ScrubState::Paused if self.record.next.is_some() => {
                self.record.state = ScrubState::Running;
                self.pace = None;
            }
            ScrubState::Idle | ScrubState::Paused => self.begin(now),
            ScrubState::Running => {}
        }
    }

    /// Also before it is due.
    fn pause(&mut self) {
        self.record.state = ScrubState::Paused;
        self.pace = None;
    }

    /// A region was looked at: so many blocks of it were read, or it could not be checked. Answers whether
    /// the record is to be written.
    fn looked_at(&mut self, volume: VolumeId, region: RegionIndex, blocks: Option<u32>) -> bool {
        self.tries += 1;
        match blocks {
            Some(blocks) => self.read(blocks),
            None if self.tries < TRIES => return false,
            None => self.record.unchecked += 1,
        }
        self.tries = 0;
        self.record.next = Some((volume.0, region.0 + 1));
        self.unnoted += 1;
        self.unnoted >= NOTED_EVERY
    }

    fn is_due(&self, now: u64) -> bool {
        let last = self.record.ended.unwrap_or(self.record.since);
        let due = self.every.map(|every| last + every.as_secs());
        self.record.state == ScrubState::Idle && due.is_some_and(|due| due <= now)
    }

    /// Notes that blocks were read.
    fn read(&mut self, blocks: u32) {
        let bytes = u64::from(blocks) * BLOCK_SIZE;
        self.record.checked += bytes;
        let (_, read) = self.pace.get_or_insert_with(|| (Instant::now(), 0));
        *read += bytes;
    }

    /// From what was read since it went on.
    fn time_left(&self, total: u64) -> Option<Duration> {
        let (since, read) = self.pace?;
        let left = total.saturating_sub(self.record.checked);
        let seconds = since.elapsed().as_secs_f64() * left as f64 / read.max(1) as f64;
        (self.record.state == ScrubState::Running && read > 0)
            .then(|| Duration::from_secs_f64(seconds))
    }
}

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
pub(super) async fn begin(shared: &Arc<Shared>, disk: DiskNumber) {
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

/// Refuses what a newer program noted.
pub(super) async fn check(store: &dyn MetaStore) -> Result<(), StartError> {
    for entry in read_all(store, SCRUB).await? {
        let _: ScrubRecord = decode(&entry)?;
    }
    Ok(())
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

/// Waits while clients keep the disk busy, but not for ever.
pub(super) async fn leave_to_clients(shared: &Arc<Shared>, disk: DiskNumber, most: Duration) {
    let until = Instant::now() + most;
    let busy = || {
        let all = shared.node.disks.all();
        all.get(&disk).is_some_and(|on| on.pool.is_busy())
    };
    while busy() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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

pub(super) fn at_rate(bytes: u64, rate: ByteCount) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.0.max(1) as f64)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl ScrubRecord {
    fn new(since: u64) -> Self {
        Self {
            version: VERSION,
            state: ScrubState::Idle,
            next: None,
            checked: 0,
            unchecked: 0,
            begun: None,
            ended: None,
            since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrub_is_due_a_period_after_the_last_one_ended() {
        let mut scrub = Scrub::new(ScrubRecord::new(1000), Some(Duration::from_secs(100)));
        assert!(!scrub.is_due(1099));
        assert!(scrub.is_due(1100));
        scrub.begin(1100);
        assert!(!scrub.is_due(9999), "it runs");
        scrub.end(1500);
        assert!(!scrub.is_due(1599));
        assert!(scrub.is_due(1600));
        scrub.every = None;
        assert!(!scrub.is_due(u64::MAX));
    }

    #[test]
    fn a_pause_holds_back_what_is_due_and_lasts_beyond_the_end() {
        let mut scrub = Scrub::new(ScrubRecord::new(1000), Some(Duration::from_secs(100)));
        scrub.pause();
        assert!(!scrub.is_due(9999));
        scrub.start(2000);
        assert_eq!(scrub.record.state, ScrubState::Running);
        assert_eq!(scrub.record.begun, Some(2000));
        // It is paused while the last region is looked at.
        scrub.looked_at(VolumeId(1), RegionIndex(3), Some(8));
        scrub.pause();
        scrub.end(2500);
        assert_eq!(scrub.record.state, ScrubState::Paused);
        assert!(!scrub.is_due(9999));
        scrub.start(3000);
        assert_eq!(scrub.record.checked, 0, "another one");
        scrub.looked_at(VolumeId(1), RegionIndex(3), Some(8));
        scrub.pause();
        scrub.start(3500);
        assert_eq!(
            (scrub.record.begun, scrub.record.checked),
            (Some(3000), 32768)
        );
    }

    #[test]
    fn what_cannot_be_checked_is_tried_again_and_counted() {
        let mut scrub = Scrub::new(ScrubRecord::new(0), None);
        scrub.begin(1);
        let mut look = |region, blocks| {
            scrub.looked_at(VolumeId(1), RegionIndex(region), blocks);
            (scrub.record.next, scrub.record.unchecked)
        };
        assert_eq!(look(7, None), (None, 0));
        assert_eq!(look(7, Some(1)), (Some((1, 8)), 0));
        look(8, None);
        look(8, None);
        assert_eq!(look(8, None), (Some((1, 9)), 1));
        assert_eq!(look(9, None), (Some((1, 9)), 1), "each is tried as often");
        scrub.begin(2);
        assert_eq!(scrub.record.unchecked, 0);
    }
}
