//! The disks of this node. They come and go while volumes run.

pub(crate) mod added;
mod drain;
pub(crate) mod drains;
mod groups;
mod join;
mod lacking;
mod leave;
pub(crate) mod leftovers;
mod moving;
pub(crate) mod numbers;
pub(crate) mod open;
pub(crate) mod open_extents;
pub(crate) mod pace;
mod pool;
mod pool_disk;
pub(crate) mod rebuild;
mod surplus;
pub(crate) mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use volumed_core::{DiskId, DiskNumber};
use volumed_disk::Disk;

pub(crate) use pool_disk::PoolDisk;

/// A disk that the store records and that is not here.
#[derive(Debug, Clone)]
pub(super) struct MissingDisk {
    pub id: DiskId,
    /// Where it is to be, or served last; empty if nobody knows.
    pub path: PathBuf,
}

/// Disks that left the pool.
#[derive(Debug, Clone, Default)]
pub(super) struct Removed {
    pub numbers: BTreeSet<DiskNumber>,
    /// Those that the settings name, and where.
    pub named: BTreeMap<DiskNumber, PathBuf>,
}

pub(super) type DiskMap = BTreeMap<DiskNumber, Arc<PoolDisk>>;

/// This node's disks.
pub(super) struct Disks {
    here: RwLock<Arc<DiskMap>>,
    missing: Mutex<BTreeMap<DiskNumber, MissingDisk>>,
    removed: RwLock<Removed>,
    /// Those on which nothing is placed any more.
    draining: RwLock<BTreeSet<DiskNumber>>,
}

impl Disks {
    pub fn new(
        here: DiskMap,
        missing: BTreeMap<DiskNumber, MissingDisk>,
        removed: Removed,
    ) -> Self {
        Self {
            here: RwLock::new(Arc::new(here)),
            missing: Mutex::new(missing),
            removed: RwLock::new(removed),
            draining: RwLock::default(),
        }
    }

    /// As they are now.
    pub fn all(&self) -> Arc<DiskMap> {
        Arc::clone(&self.here.read())
    }

    pub fn find(&self, id: DiskId) -> Option<Arc<PoolDisk>> {
        let all = self.all();
        all.values().find(|it| it.disk.id() == id).cloned()
    }

    pub fn missing(&self) -> BTreeMap<DiskNumber, MissingDisk> {
        self.missing.lock().clone()
    }

    /// The disks that left the pool: what is on none but them is lost.
    pub fn removed(&self) -> BTreeSet<DiskNumber> {
        self.removed.read().numbers.clone()
    }

    /// A disk of another node left the pool, or is in it.
    pub fn know_removed(&self, disk: DiskNumber, left: bool) {
        let mut removed = self.removed.write();
        if left {
            removed.numbers.insert(disk);
        } else {
            removed.numbers.remove(&disk);
        }
    }

    /// Where the settings still name disks that left the pool.
    pub fn removed_and_named(&self) -> Vec<PathBuf> {
        self.removed.read().named.values().cloned().collect()
    }

    /// Whether nothing is placed on the disk any more.
    pub fn is_draining(&self, disk: DiskNumber) -> bool {
        self.draining.read().contains(&disk)
    }

    /// Nothing is placed on the disk from now on, or something may be again.
    pub fn set_draining(&self, disk: DiskNumber, draining: bool) {
        let mut all = self.draining.write();
        if draining {
            all.insert(disk);
        } else {
            all.remove(&disk);
        }
    }

    /// The disk has left the pool; `named`: where the settings name it, if they do.
    pub fn remove(&self, disk: DiskNumber, named: Option<PathBuf>) {
        {
            let mut removed = self.removed.write();
            removed.numbers.insert(disk);
            removed.named.extend(named.map(|path| (disk, path)));
        }
        self.missing.lock().remove(&disk);
        let mut here = self.here.write();
        let mut all = DiskMap::clone(&here);
        all.remove(&disk);
        *here = Arc::new(all);
    }

    /// Takes a disk in, in place of the one with its number.
    pub fn put(&self, disk: Arc<PoolDisk>) {
        self.missing.lock().remove(&disk.number);
        {
            let mut removed = self.removed.write();
            removed.numbers.remove(&disk.number);
            removed.named.remove(&disk.number);
        }
        let mut here = self.here.write();
        let mut all = DiskMap::clone(&here);
        all.insert(disk.number, disk);
        *here = Arc::new(all);
    }

    /// Tells each disk how many of the pool lie on its file system, itself among them.
    pub fn share_file_systems(&self) {
        let all = self.all();
        let disks: Vec<_> = all.values().map(|it| &*it.disk).collect();
        share_file_systems(&disks);
    }
}

/// Disks on one file system are allowed, say to try something out, but its space counts once.
pub(super) fn share_file_systems(disks: &[&Disk]) {
    for disk in disks {
        let sharers = disks.iter().filter(|other| other.shares_file_system(disk));
        let sharers = sharers.count() as u64;
        if let Err(error) = disk.share_file_system(sharers) {
            tracing::warn!(%error, "a disk's free space cannot be read");
        }
        if sharers > 1 {
            tracing::warn!(
                path = %disk.path().display(),
                "the disk shares its file system with others of the pool: it counts with 1/{sharers} \
                 of the space, and they would fail together"
            );
        }
    }
}
