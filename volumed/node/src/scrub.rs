//! Scrubbing: every disk is read from its first block to its last and compared with its sums, in the
//! background, at a bounded rate. The same task sums anew what an unclean stop left suspect.

pub(crate) mod work;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use volumed_core::{BLOCK_SIZE, ByteCount, DiskNumber, RegionIndex, VolumeId};
use volumed_meta::MetaStore;

use crate::error::StartError;
use crate::store::records::{SCRUB, ScrubRecord, VERSION, decode, read_all};
use crate::view::ScrubState;

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
    pub disks: Mutex<BTreeMap<DiskNumber, Scrub>>,
    /// Held while a record is written: none may overtake a newer one.
    pub noting: tokio::sync::Mutex<()>,
    /// None until the background tasks are to run.
    pub settings: OnceLock<ScrubSettings>,
}

/// The scrub of a disk.
#[derive(Debug, Clone)]
pub(crate) struct Scrub {
    pub record: ScrubRecord,
    /// What this process read since it began or went on, and when that was.
    pace: Option<(Instant, u64)>,
    /// Regions since the record was last written.
    pub unnoted: u32,
    /// How often the region was tried that is next.
    tries: u32,
    pub every: Option<Duration>,
}

impl Scrub {
    pub fn new(record: ScrubRecord, every: Option<Duration>) -> Self {
        Self {
            record,
            pace: None,
            unnoted: 0,
            tries: 0,
            every,
        }
    }

    pub fn begin(&mut self, now: u64) {
        self.record.state = ScrubState::Running;
        self.record.next = None;
        self.record.checked = 0;
        self.record.unchecked = 0;
        self.record.begun = Some(now);
        self.pace = None;
    }

    /// Whoever paused it meanwhile has the next one wait.
    pub fn end(&mut self, now: u64) {
        if self.record.state == ScrubState::Running {
            self.record.state = ScrubState::Idle;
        }
        self.record.next = None;
        self.record.ended = Some(now);
    }

    pub fn start(&mut self, now: u64) {
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
    pub fn pause(&mut self) {
        self.record.state = ScrubState::Paused;
        self.pace = None;
    }

    /// A region was looked at: so many blocks of it were read, or it could not be checked. Answers whether
    /// the record is to be written.
    pub fn looked_at(
        &mut self,
        volume: VolumeId,
        region: RegionIndex,
        blocks: Option<u32>,
    ) -> bool {
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

    pub fn is_due(&self, now: u64) -> bool {
        let last = self.record.ended.unwrap_or(self.record.since);
        let due = self.every.map(|every| last + every.as_secs());
        self.record.state == ScrubState::Idle && due.is_some_and(|due| due <= now)
    }

    /// Notes that blocks were read.
    pub fn read(&mut self, blocks: u32) {
        let bytes = u64::from(blocks) * BLOCK_SIZE;
        self.record.checked += bytes;
        let (_, read) = self.pace.get_or_insert_with(|| (Instant::now(), 0));
        *read += bytes;
    }

    /// From what was read since it went on.
    pub fn time_left(&self, total: u64) -> Option<Duration> {
        let (since, read) = self.pace?;
        let left = total.saturating_sub(self.record.checked);
        let seconds = since.elapsed().as_secs_f64() * left as f64 / read.max(1) as f64;
        (self.record.state == ScrubState::Running && read > 0)
            .then(|| Duration::from_secs_f64(seconds))
    }
}

/// Refuses what a newer program noted.
pub(super) async fn check(store: &dyn MetaStore) -> Result<(), StartError> {
    for entry in read_all(store, SCRUB).await? {
        let _: ScrubRecord = decode(&entry)?;
    }
    Ok(())
}

impl ScrubRecord {
    pub fn new(since: u64) -> Self {
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
