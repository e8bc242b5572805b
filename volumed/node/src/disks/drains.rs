//! Which disks are drained, and how far each drain is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use volumed_core::{ByteCount, DiskNumber};

use crate::store::records::DrainRecord;
use crate::view::{DrainState, DrainView};

/// The drains of this node.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    state: Mutex<State>,
    /// Bytes that are moved off each disk in a second, at most; none before the tasks may run.
    pub rate: OnceLock<ByteCount>,
}

#[derive(Debug, Default)]
struct State {
    wanted: BTreeMap<DiskNumber, Drain>,
    /// Disks with a task, also while it clears up after a drain that nobody wants any more.
    working: BTreeSet<DiskNumber>,
}

#[derive(Debug, Clone)]
pub(crate) struct Drain {
    pub record: DrainRecord,
    pub state: DrainState,
    /// When this process went on, and what was left then.
    pub since: (Instant, u64),
}

impl Drains {
    /// Nobody wants the disk drained any more, or it left the pool.
    pub fn forget(&self, disk: DiskNumber) {
        self.state.lock().wanted.remove(&disk);
    }

    /// The disk is to be drained; true if that needs a task. One that still clears up after an earlier
    /// drain goes on with this one.
    pub fn want(&self, disk: DiskNumber, drain: Drain) -> bool {
        let mut state = self.state.lock();
        state.wanted.entry(disk).or_insert(drain);
        self.rate.get().is_some() && state.working.insert(disk)
    }

    /// Since when this process drains the disk, if anybody wants that.
    pub fn since(&self, disk: DiskNumber) -> Option<Instant> {
        let state = self.state.lock();
        state.wanted.get(&disk).map(|drain| drain.since.0)
    }

    /// The disk is empty; true if the task ends with that, and no other drain began meanwhile.
    pub fn drained(&self, disk: DiskNumber, since: Instant) -> bool {
        let mut state = self.state.lock();
        let drain = state.wanted.get_mut(&disk);
        let Some(drain) = drain.filter(|drain| drain.since.0 == since) else {
            return false;
        };
        drain.state = DrainState::Drained;
        state.working.remove(&disk)
    }

    /// The task has cleared up; true if it ends with that, since nobody wants the disk drained again.
    pub fn cleared_up(&self, disk: DiskNumber) -> bool {
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

    pub fn set(&self, disk: DiskNumber, state: DrainState) {
        if let Some(drain) = self.state.lock().wanted.get_mut(&disk) {
            drain.state = state;
        }
    }

    /// What the store has of the drain of a disk, if anybody wants that.
    pub fn record(&self, disk: DiskNumber) -> Option<DrainRecord> {
        let state = self.state.lock();
        state.wanted.get(&disk).map(|drain| drain.record)
    }

    pub fn is_wanted(&self, disk: DiskNumber) -> bool {
        self.since(disk).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_one_task_also_when_it_is_drained_again_at_once() {
        let (drains, disk) = (Drains::default(), DiskNumber(3));
        let drain = || Drain {
            record: DrainRecord {
                begun: 0,
                held: 0,
                with_node: false,
            },
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
