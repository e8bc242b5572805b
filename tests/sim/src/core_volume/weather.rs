//! The faults that may happen under a seed: each is one that the volume has to live with.

use rand::RngExt;
use rand::rngs::SmallRng;
use volumed_core::replica::{DiskFault, DiskOp};

/// How likely each fault is, for each operation that it can befall.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Weather {
    /// The process lacks descriptors or memory.
    exhausted: f64,
    /// The file system is full, though the account was not.
    full: f64,
    /// A read fails, or a write half way, and the disk goes on.
    broken: f64,
    /// A sync, or what has one in it, fails: what it was to make durable is lost or not.
    failed_sync: f64,
    /// A block of a clean region rots, at each step.
    pub rot: f64,
    /// Both slots of the dirty log are bad after a crash.
    pub bad_log: f64,
    /// The store fails, or does what it says it did not.
    pub store: f64,
    /// The clock jumps, at each tick.
    pub clock: f64,
}

/// What befalls a disk operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strike {
    /// Nothing is done.
    Refused(DiskFault),
    /// What changes something did so in part.
    HalfWay(DiskFault),
    /// The disk failed (V8).
    FailedSync,
}

impl Weather {
    /// A kind of weather: fine in a third of all seeds.
    pub fn some(rng: &mut SmallRng) -> Self {
        let fine = Self::default();
        match rng.random_range(0..12) {
            0..4 => fine,
            4 => Self {
                exhausted: 0.02,
                ..fine
            },
            5 => Self {
                full: 0.03,
                broken: 0.01,
                ..fine
            },
            6 => Self {
                broken: 0.03,
                ..fine
            },
            7 => Self {
                failed_sync: 0.01,
                ..fine
            },
            8 => Self {
                rot: 0.02,
                broken: 0.005,
                ..fine
            },
            9 => Self {
                store: 0.2,
                clock: 0.3,
                ..fine
            },
            10 => Self {
                bad_log: 0.5,
                exhausted: 0.01,
                ..fine
            },
            _ => Self {
                exhausted: 0.01,
                full: 0.005,
                broken: 0.005,
                failed_sync: 0.001,
                rot: 0.003,
                bad_log: 0.1,
                store: 0.05,
                clock: 0.1,
            },
        }
    }

    /// Changes are refused so often that no replica makes some of them whole.
    pub fn refusing() -> Self {
        Self {
            full: 0.4,
            exhausted: 0.05,
            ..Self::default()
        }
    }

    pub fn is_fine(&self) -> bool {
        *self == Self::default()
    }

    /// Which fault befalls an operation, if one does.
    pub fn strike(&self, op: &DiskOp, rng: &mut SmallRng) -> Option<Strike> {
        let mut happens = |chance: f64| chance > 0.0 && rng.random_bool(chance);
        // What freed extents leave behind is nobody's trouble.
        if matches!(op, DiskOp::Remove { .. }) {
            return None;
        }
        let reads = matches!(
            op,
            DiskOp::Read { .. }
                | DiskOp::LoadSums { .. }
                | DiskOp::Fetch { .. }
                | DiskOp::Digest { .. }
        );
        let changes = matches!(
            op,
            DiskOp::Write { .. }
                | DiskOp::Zero { .. }
                | DiskOp::Store { .. }
                | DiskOp::Replace { .. }
        );
        let logs = matches!(
            op,
            DiskOp::WriteLog(_) | DiskOp::WriteMissed(_) | DiskOp::WritePromise(_)
        );
        let stores = matches!(op, DiskOp::StoreSums { .. } | DiskOp::Settle { .. });
        let resums = matches!(op, DiskOp::Resum { .. });
        if !reads && happens(self.failed_sync) {
            return Some(Strike::FailedSync);
        }
        if happens(self.exhausted) {
            return Some(Strike::Refused(DiskFault::Exhausted));
        }
        if (changes || stores) && happens(self.full) {
            return Some(Strike::HalfWay(DiskFault::NoSpace));
        }
        if (logs || resums) && happens(self.full) {
            return Some(Strike::Refused(DiskFault::NoSpace));
        }
        if (changes || reads || resums) && happens(self.broken) {
            return Some(Strike::HalfWay(DiskFault::Io));
        }
        None
    }
}
