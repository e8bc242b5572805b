//! What the node's volumes and disks look like from outside.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use volumed_cluster::NodeNumber;
use volumed_core::{ByteCount, DiskId, Epoch, ExtentIndex, VolumeId};
use volumed_disk::Disk;

use crate::disks::MissingDisk;
use crate::name::{OwnerId, VolumeName};
use crate::volume::auto_grow::AutoGrow;
use crate::volume::token::Token;

/// A directory that is given to the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSettings {
    /// The directory; made when it does not exist.
    pub path: PathBuf,
    /// Bytes that volumes may hold on it; without it, what its file system offers.
    pub capacity: Option<ByteCount>,
    /// Bytes of the file system that stay free; without it, 5 % or 1 GiB, whichever is smaller.
    pub reserve: Option<ByteCount>,
}

/// A volume as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// Never used again.
    pub id: VolumeId,
    /// Unique among the volumes that exist.
    pub name: VolumeName,
    /// Virtual size.
    pub size: ByteCount,
    /// Copies of every extent.
    pub replicas: u8,
    /// There are to be more when the cluster has more nodes.
    pub auto_replicas: bool,
    /// Held in the pool, one replica counted.
    pub used: ByteCount,
    /// 0 when the volume was never opened.
    pub epoch: Epoch,
    /// Who has it attached, if anybody.
    pub owner: Option<OwnerId>,
    /// How it grows by itself, if it does.
    pub auto_grow: Option<AutoGrow>,
    /// Blocks of 4 KiB that are known to be damaged.
    pub damaged: u64,
    /// Blocks of 4 KiB that were lost with disks.
    pub lost: u64,
    /// What it may hold in the pool, one replica counted, if that is limited.
    pub quota: Option<ByteCount>,
    /// Disks with a replica that may lack what was acknowledged (V4), while somebody has the volume.
    pub stale: Vec<StaleView>,
    /// The node that serves the volume now, if it is in a cluster.
    pub node: Option<NodeNumber>,
}

impl VolumeView {
    /// Whether something of it is missing somewhere: a replica is stale, or blocks are damaged or lost.
    pub fn is_degraded(&self) -> bool {
        !self.stale.is_empty() || self.damaged > 0 || self.lost > 0
    }
}

/// A disk whose replica of a volume is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleView {
    /// The disk, unless it is not here.
    pub disk: Option<DiskId>,
    /// How many bytes of it are yet to be compared, if it is being resynced.
    pub left: Option<ByteCount>,
}

/// What is known to be damaged or lost of a volume: reading it is an error until it is written whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DamageView {
    /// The damaged ones by disk and offset, then the lost ones by offset.
    pub ranges: Vec<DamagedRange>,
    /// There are others, which are not listed.
    pub more: bool,
}

/// Damaged or lost blocks side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamagedRange {
    /// On which disk; none if they were lost with theirs.
    pub disk: Option<DiskId>,
    /// In which extent of the volume.
    pub extent: ExtentIndex,
    /// The first byte, from the volume's start.
    pub offset: u64,
    /// Bytes, whole blocks of 4 KiB.
    pub length: u64,
}

/// What the scrub of a disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScrubState {
    /// None is under way.
    Idle,
    /// It runs.
    Running,
    /// It waits until somebody starts it again.
    Paused,
}

/// The scrub of a disk. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrubView {
    /// The disk.
    pub disk: DiskId,
    /// Its directory.
    pub path: PathBuf,
    /// Whether it runs.
    pub state: ScrubState,
    /// What was compared by the scrub that runs, or ran last.
    pub checked: ByteCount,
    /// Regions that could not be checked by it.
    pub unchecked: u64,
    /// What the disk holds now.
    pub total: ByteCount,
    /// How much longer it takes, when that can be told.
    pub left: Option<Duration>,
    /// When the last one began.
    pub begun: Option<u64>,
    /// When the last one ended that came to its end.
    pub ended: Option<u64>,
    /// When the disk was first here.
    pub since: u64,
    /// From the end of one to the beginning of the next.
    pub every: Option<Duration>,
}

impl ScrubView {
    /// Whether it should have ended by now: a whole period has passed in which the next one could.
    pub fn is_overdue(&self, now: u64) -> bool {
        let last = self.ended.unwrap_or(self.since);
        let late = self.every.map(|every| last + 2 * every.as_secs());
        self.state != ScrubState::Paused && late.is_some_and(|late| late < now)
    }

    /// When the next one begins by itself, if one does.
    pub fn due(&self) -> Option<u64> {
        let idle = self.state == ScrubState::Idle;
        let every = self.every.filter(|_| idle)?;
        Some(self.ended.unwrap_or(self.since) + every.as_secs())
    }
}

/// All disks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolView {
    /// What the disks can hold, less their reserve.
    pub capacity: ByteCount,
    /// What volumes hold.
    pub used: ByteCount,
    /// What can still be written.
    pub free: ByteCount,
    /// How many disks there are.
    pub disks: u32,
    /// How many volumes there are.
    pub volumes: u32,
}

/// One disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskView {
    /// As written in its `disk.json`.
    pub id: DiskId,
    /// Its directory.
    pub path: PathBuf,
    /// Whether it serves.
    pub state: DiskState,
    /// What it can hold, less its reserve.
    pub capacity: ByteCount,
    /// What volumes hold on it.
    pub used: ByteCount,
    /// What can still be written.
    pub free: ByteCount,
    /// How many disks of the pool lie on its file system, itself among them.
    pub sharers: u64,
    /// Extents and volumes that are freed, but whose files could not be removed yet.
    pub unremoved: usize,
    /// How far it is emptied, if it is.
    pub drain: Option<DrainView>,
}

/// How far a disk is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainView {
    /// What is being done.
    pub state: DrainState,
    /// When it was begun, in seconds since 1970.
    pub begun: u64,
    /// Of what it held then, what it does not hold any more.
    pub moved: ByteCount,
    /// What it still holds.
    pub left: ByteCount,
    /// How much longer it takes, when that can be told.
    pub time_left: Option<Duration>,
}

impl DrainView {
    /// Whether it cannot go on.
    pub(crate) fn waits(&self) -> bool {
        match self.state {
            DrainState::Moving | DrainState::Drained => false,
            DrainState::WaitingForRoom | DrainState::DiskFailed => true,
        }
    }
}

/// What the drain of a disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainState {
    /// Extents are being moved.
    Moving,
    /// No other disk has room.
    WaitingForRoom,
    /// The disk, or the one to move to, failed.
    DiskFailed,
    /// Nothing is on the disk any more.
    Drained,
}

/// Whether a disk serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskState {
    /// It does.
    Online,
    /// A sync on it failed (V8): nothing on it is acknowledged until it is taken back.
    Failed,
    /// The store records it, and it is not where it was.
    Missing,
}

impl DiskView {
    pub(super) fn of(disk: &Disk, drain: Option<DrainView>) -> Self {
        let state = if disk.failed() {
            DiskState::Failed
        } else {
            DiskState::Online
        };
        Self {
            id: disk.id(),
            path: disk.path().to_owned(),
            state,
            capacity: disk.capacity(),
            used: disk.space().used(),
            free: disk.space().free(),
            sharers: disk.sharers(),
            unremoved: disk.unremoved(),
            drain,
        }
    }

    pub(super) fn missing(disk: &MissingDisk) -> Self {
        Self {
            id: disk.id,
            path: disk.path.clone(),
            state: DiskState::Missing,
            capacity: ByteCount(0),
            used: ByteCount(0),
            free: ByteCount(0),
            sharers: 1,
            unremoved: 0,
            drain: None,
        }
    }
}

/// The volume is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    /// Fences every earlier head (V1).
    pub epoch: Epoch,
    /// The same until something that the owner did not flush may be lost, or another attaches (V9).
    pub token: Token,
    /// Virtual size.
    pub size: ByteCount,
}

/// The metadata store and its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    /// Its newest revision.
    pub revision: u64,
    /// How many starts of a daemon, and copies, it knows of.
    pub generation: u64,
    /// What each disk has of it.
    pub disks: Vec<DiskCopiesView>,
    /// How many copies failed since the daemon was started.
    pub failures: u64,
}

/// The copies on one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCopiesView {
    /// The disk.
    pub disk: DiskId,
    /// Where they are.
    pub folder: PathBuf,
    /// Every one, by name.
    pub copies: Vec<CopyView>,
    /// Why the last try failed, if it did.
    pub failure: Option<String>,
}

/// A copy of the metadata store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyView {
    /// Its file.
    pub path: PathBuf,
    /// When it was made.
    pub made: SystemTime,
    /// Its length.
    pub bytes: u64,
}
