//! Why an operation on the node's volumes failed: one enum for each.

use std::path::{Path, PathBuf};

use volumed_cluster::NodeNumber;
use volumed_core::size::display;
use volumed_core::{ByteCount, DiskId, Epoch, StoreId};
use volumed_disk::DiskError;
use volumed_meta::{CopyError, StoreError};

use crate::name::{OwnerId, VolumeName};

/// A record in the store cannot be understood; says which and why.
#[derive(Debug, thiserror::Error)]
#[error("the record {key} cannot be read: {why}")]
pub struct RecordError {
    /// The record's key.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// Why placements were not read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlacementsError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The volume was deleted.
    #[error("the volume is gone")]
    Gone,
    /// Another node's head may serve by now.
    #[error("another node serves the volume by now")]
    Overtaken,
}

/// Why the node's volumes could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There must be a place to write to.
    #[error("no disk is configured: name at least one directory")]
    NoDisks,
    /// The same directory was given twice.
    #[error("{} is the disk {} again: name it once", .0.display(), .1.display())]
    SameDisk(PathBuf, PathBuf),
    /// A disk cannot be used.
    #[error("the disk {} cannot be used: {source}", path.display())]
    Disk {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: DiskError,
    },
    /// Files are newer than the store (V11).
    #[error(
        "{} was placed at the metadata store's revision {alloc}, but the store is only at \
         {revision}: it was rolled back to an older copy; bring the newest copy back by `volumed meta \
         restore`", path.display()
    )]
    RolledBack {
        /// The newer file.
        path: PathBuf,
        /// When the file was placed.
        alloc: u64,
        /// Where the store is.
        revision: u64,
    },
    /// A file holds data, and the store is too old to have removed its record (V11).
    #[error(
        "{} holds data and was placed at the metadata store's revision {alloc}, but the store, now \
         at {revision}, has no record of it: it was rolled back to an older copy; bring the newest \
         copy back, or move this file and the .sums file beside it away to do without what they hold",
        path.display()
    )]
    Unrecorded {
        /// The file without a record.
        path: PathBuf,
        /// When the file was placed.
        alloc: u64,
        /// Where the store is.
        revision: u64,
    },
    /// The disk belongs to another store.
    #[error(
        "the disk {} holds volumes, but the metadata store does not know it: use the store that it \
         was used with, or an empty directory", .0.display()
    )]
    ForeignDisk(PathBuf),
    /// The disk says so itself.
    #[error(
        "the disk {} belongs to the metadata store {of}, and this is another one: use the store that \
         it was used with, or an empty directory", path.display()
    )]
    OtherStore {
        /// The disk's directory.
        path: PathBuf,
        /// Its store.
        of: StoreId,
    },
    /// The disk served under a later start than the store knows of (V11).
    #[error(
        "the disk {} served at start {known} of the metadata store, but the store knows of only \
         {store}: it was rolled back to an older copy; bring the newest copy back by `volumed meta restore`",
        path.display()
    )]
    OlderStore {
        /// The disk's directory.
        path: PathBuf,
        /// The last start that the disk knows of.
        known: u64,
        /// The last one that the store knows of.
        store: u64,
    },
    /// The disk was told of a later start than it knows of.
    #[error(
        "the disk {} knows of the metadata store's starts up to {known}, but it served at start \
         {recorded}: it is an older copy; bring the newest one back", path.display()
    )]
    OlderDisk {
        /// The disk's directory.
        path: PathBuf,
        /// The last start that the disk knows of.
        known: u64,
        /// The last one that it served at.
        recorded: u64,
    },
    /// A newer program wrote the store.
    #[error(
        "the metadata store has format {found}, and this program knows formats up to {known}: run the \
         newer program, or restore a copy of before"
    )]
    NewerStore {
        /// The store's format.
        found: u32,
        /// The newest one that is known.
        known: u32,
    },
    /// The store must be copied before its format changes.
    #[error("the metadata store's format cannot be changed before it is copied to a disk: {0}")]
    NotCopied(CopyError),
    /// The numbers of disks are used up; none is given twice.
    #[error("the pool cannot ever have had more than 65536 disks")]
    TooManyDisks,
    /// The system refused a thread.
    #[error("a thread could not be started: {0}")]
    Threads(std::io::Error),
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the pool's disks are as they were.
#[derive(Debug, thiserror::Error)]
pub enum ChangeDiskError {
    /// There is none.
    #[error("the pool has no disk {0}")]
    NotFound(DiskId),
    /// The directory is one already.
    #[error("that directory is the disk {0} of the pool already")]
    InPool(DiskId),
    /// It left the pool, though whoever removed it may not have been told.
    #[error(
        "the disk {id} was removed from the pool: `volumed disk add {}` takes it in again",
        place(path.as_deref())
    )]
    Removed {
        /// The disk.
        id: DiskId,
        /// Where it served last, if that is known.
        path: Option<PathBuf>,
    },
    /// It did not fail.
    #[error("the disk {0} serves: there is nothing to take back")]
    Serves(DiskId),
    /// Volumes have something on it.
    #[error(
        "the disk {id} holds {extents} extents of {}: `volumed disk drain {id}` moves them first",
        names(volumes)
    )]
    InUse {
        /// The disk.
        id: DiskId,
        /// How many extents.
        extents: usize,
        /// Of which volumes.
        volumes: Vec<VolumeName>,
    },
    /// Volumes have something on it, which is nowhere else, and it cannot be read.
    #[error(
        "up to {} of {} would be lost with the disk {id}, which failed or is missing: `volumed disk retry \
         {id}` takes it back, `volumed disk remove {id} --accept-loss` gives them up",
        display(held.0), names(volumes)
    )]
    WouldLose {
        /// The disk.
        id: DiskId,
        /// What volumes hold there at most.
        held: ByteCount,
        /// Which volumes.
        volumes: Vec<VolumeName>,
    },
    /// Nothing would be left to write to.
    #[error("the disk {0} is the last one that serves: add another one first")]
    LastDisk(DiskId),
    /// It is not where it was.
    #[error("the disk {id} is not at {}: {why}", path.display())]
    Missing {
        /// The disk.
        id: DiskId,
        /// Where it was.
        path: PathBuf,
        /// What is there.
        why: String,
    },
    /// It cannot be taken into use.
    #[error(transparent)]
    Disk(#[from] StartError),
    /// A volume went meanwhile.
    #[error(transparent)]
    Volume(AttachError),
    /// The daemon stops.
    #[error("the volume daemon is stopping")]
    Stopping,
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AttachError> for ChangeDiskError {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Record(error) => Self::Record(error),
            AttachError::Store(error) => Self::Store(error),
            error => Self::Volume(error),
        }
    }
}

/// To be typed, or what to type there.
fn place(path: Option<&Path>) -> String {
    path.map_or("DIRECTORY".to_owned(), |path| path.display().to_string())
}

/// The first few.
fn names(volumes: &[VolumeName]) -> String {
    const SHOWN: usize = 5;
    let shown = volumes.iter().take(SHOWN).map(ToString::to_string);
    let names = shown.collect::<Vec<_>>().join(", ");
    match volumes.len().saturating_sub(SHOWN) {
        0 => names,
        more => format!("{names} and {more} more volumes"),
    }
}

/// Why the store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum BackUpError {
    /// There is no copy.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// There is one, but it could not be noted that the store is another one by now.
    #[error("the metadata store was copied, but cannot be told from its copy: {0}")]
    Outdate(#[from] StartError),
}

/// Why a volume was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateVolumeError {
    /// The name is taken.
    #[error("there is already a volume called {0}")]
    Exists(VolumeName),
    /// The size is not possible.
    #[error("a volume's size is 4 KiB to 1 EiB (1152921504606846976) and a multiple of 4096 bytes")]
    Size,
    /// It cannot grow by itself so.
    #[error(
        "a volume that grows by itself keeps 1 to 90 percent free, and its largest size is a multiple \
         of 4096 bytes, up to 1 EiB and not below its size"
    )]
    AutoGrow,
    /// The quota is not possible.
    #[error("a volume's quota is a multiple of 4096 bytes")]
    Quota,
    /// More replicas than can be kept, or none.
    #[error(
        "a volume has 1 to 3 replicas, each on a disk of its own, and the pool has {disks}: not {replicas}"
    )]
    Replicas {
        /// What was asked for.
        replicas: u8,
        /// How many disks the pool has.
        disks: usize,
    },
    /// The daemon stops.
    #[error("the volume daemon is stopping")]
    Stopping,
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a volume cannot be shown or listed.
#[derive(Debug, thiserror::Error)]
pub enum ShowVolumeError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a volume has the size that it had.
#[derive(Debug, thiserror::Error)]
pub enum GrowVolumeError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// A volume never gets smaller: what lay behind its end would be lost.
    #[error("the volume {0} has {now} already: it can only grow", now = display(.1.0))]
    Smaller(VolumeName, ByteCount),
    /// The size is not possible.
    #[error("a volume's size is 4 KiB to 1 EiB (1152921504606846976) and a multiple of 4096 bytes")]
    Size,
    /// It cannot grow by itself so.
    #[error(
        "a volume that grows by itself keeps 1 to 90 percent free, and its largest size is a multiple \
         of 4096 bytes, up to 1 EiB and not below its size"
    )]
    AutoGrow,
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a volume has the quota that it had.
#[derive(Debug, thiserror::Error)]
pub enum LimitVolumeError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// The quota is not possible.
    #[error("a volume's quota is a multiple of 4096 bytes")]
    Quota,
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a volume was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteVolumeError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// Somebody is connected to it.
    #[error("the volume {0} is in use: close its connections or detach it first")]
    Attached(VolumeName),
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a volume has no new head.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// It was to be attached again, and another owner has it, or nobody.
    #[error("{1} does not have the volume {0} any more")]
    NotOwner(VolumeName, OwnerId),
    /// Another node serves it, and is to keep it.
    #[error("node {1} serves the volume {0}")]
    ServedElsewhere(VolumeName, NodeNumber),
    /// It was to be attached again, and another node gave it to another owner.
    #[error("another owner has the volume {0}")]
    Overtaken(VolumeName),
    /// This node may serve nothing.
    #[error("this node cannot serve the volume {0}: it does not reach the metadata store")]
    NoLease(VolumeName),
    /// The daemon has no descriptor or memory left just now.
    #[error("the volume daemon lacks file descriptors or memory: try again, or raise its limits")]
    Exhausted,
    /// A disk that holds the volume failed or is not here.
    #[error("a disk that holds the volume {0} failed: look at `volumed disk list`")]
    Io(VolumeName),
    /// The daemon stops.
    #[error("the volume daemon is stopping")]
    Stopping,
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a volume has as many replicas as before.
#[derive(Debug, thiserror::Error)]
pub enum SetReplicasError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// More than can be kept.
    #[error(
        "a volume has 1 to 3 replicas, each on a disk of its own, and the pool has {disks}: not {replicas}"
    )]
    Replicas {
        /// What was asked for.
        replicas: u8,
        /// How many disks there are.
        disks: usize,
    },
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a volume was not given up.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// Another owner has it, or nobody.
    #[error("{1} does not have the volume {0} attached")]
    NotOwner(VolumeName, OwnerId),
    /// What was written could not be made durable.
    #[error("the volume {0} could not be flushed: look at `volumed disk list`")]
    Io(VolumeName),
    /// A record is unreadable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an export was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenExportError {
    /// There is none.
    #[error("there is no volume called {0}")]
    NotFound(VolumeName),
    /// An owner has it.
    #[error("the volume {0} is attached to an owner: only its connections may open it")]
    Owned(VolumeName),
    /// That attachment is over, or never was.
    #[error("the volume {0} is not attached under epoch {1}: attach it again")]
    Epoch(VolumeName, Epoch),
    /// Another attachment came after that one, or it was given up.
    #[error("the volume {0} is not attached under this token: attach it again")]
    Token(VolumeName),
    /// V9: the client would take for written what is gone.
    #[error(
        "what was written to the volume {0} under this token and not flushed may be lost, since a disk \
         was mounted anew or failed: check what is on the volume and attach it again"
    )]
    UnflushedLost(VolumeName),
    /// The head could not be made.
    #[error(transparent)]
    Attach(#[from] AttachError),
}
