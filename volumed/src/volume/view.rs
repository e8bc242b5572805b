//! What the node's volumes and disks look like from outside.

use std::path::PathBuf;
use std::time::SystemTime;

use volumed_core::{ByteCount, DiskId, Epoch, VolumeId};

use super::auto_grow::AutoGrow;
use super::name::{OwnerId, VolumeName};

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
    /// Held in the pool, one replica counted.
    pub used: ByteCount,
    /// 0 when the volume was never opened.
    pub epoch: Epoch,
    /// Who has it attached, if anybody.
    pub owner: Option<OwnerId>,
    /// How it grows by itself, if it does.
    pub auto_grow: Option<AutoGrow>,
    /// What it may hold in the pool, one replica counted, if that is limited.
    pub quota: Option<ByteCount>,
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
    /// A sync on it failed (V8): nothing on it is acknowledged until the daemon is started anew.
    pub failed: bool,
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
}

/// The volume is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    /// Fences every earlier head (V1).
    pub epoch: Epoch,
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
