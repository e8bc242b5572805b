//! A directory that is given to the pool.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{Advice, FlockOperation};
use volumed_buffers::Buffers;
use volumed_core::message::ExtentFile;
use volumed_core::replica::DiskFault;
use volumed_core::space::DiskSpace;
use volumed_core::{ByteCount, DiskId, Incarnation, StoreGeneration, StoreId, VolumeId};

use crate::layout::Layout;
use crate::names::{DurableNames, sync_parent};
use crate::open::open_to_read;
use crate::open_files::OpenFiles;
use crate::permit::{Permit, Permits};
use crate::removals::Removals;
use crate::state::State;
use crate::write_back::WriteBacks;
use crate::{DiskError, SpaceSettings, identity};

/// Which directory, and how much of it.
#[derive(Debug, Clone)]
pub struct DiskSettings {
    /// Made when it does not exist.
    pub path: PathBuf,
    /// Its space.
    pub space: SpaceSettings,
    /// Extents that may be open at once, [`DESCRIPTORS_OF_AN_EXTENT`](crate::DESCRIPTORS_OF_AN_EXTENT)
    /// each.
    pub open_extents: usize,
}

/// A disk in use by this process alone.
#[derive(Debug)]
pub struct Disk {
    pub(crate) layout: Layout,
    pub(crate) files: OpenFiles,
    pub(crate) names: DurableNames,
    pub(crate) buffers: Buffers,
    pub(crate) write_backs: WriteBacks,
    pub(crate) removals: Removals,
    id: DiskId,
    settings: SpaceSettings,
    open_extents: usize,
    space: Arc<DiskSpace>,
    capacity: AtomicU64,
    /// Tells its file system from others.
    device: u64,
    /// Nothing waits for it: its file system is in memory.
    pub(crate) in_memory: bool,
    /// Disks of the pool on its file system, itself among them.
    sharers: AtomicU64,
    failed: AtomicBool,
    permits: Permits,
    state: State,
    /// Holds the lock on `disk.json`.
    lock: Arc<File>,
}

impl Disk {
    /// Takes a directory into use.
    pub fn open(settings: DiskSettings) -> Result<Self, DiskError> {
        let root = settings.path;
        make_private(&root).map_err(DiskError::io(&root))?;
        let root = root.canonicalize().map_err(DiskError::io(&root))?;
        let layout = Layout::new(root);
        let id = identity::load_or_create(&layout)?;
        let path = layout.identity();
        let lock = File::open(&path).map_err(DiskError::io(&path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| DiskError::InUse)?;
        let space = settings.space;
        Self::locked(layout, id, space, settings.open_extents, Arc::new(lock))
    }

    /// The disk as another process would find it now: what was open, cached or known of it is
    /// forgotten, and it has not failed. To be called once it has (V8), and nothing runs on it.
    pub fn reopen(&self) -> Result<Self, DiskError> {
        debug_assert!(self.failed());
        let layout = self.layout.clone();
        if identity::load(&layout)? != Some(self.id) {
            return Err(DiskError::Other);
        }
        // A disk that could not take the note before takes it now, or is not taken back (V7).
        let noted = self.state.fail(&layout, &self.names);
        noted.map_err(DiskError::io(layout.state()))?;
        let (space, lock) = (self.settings, Arc::clone(&self.lock));
        let disk = Self::locked(layout, self.id, space, self.open_extents, lock)?;
        disk.share_file_system(self.sharers())?;
        Ok(disk)
    }

    fn locked(
        layout: Layout,
        id: DiskId,
        settings: SpaceSettings,
        open_extents: usize,
        lock: Arc<File>,
    ) -> Result<Self, DiskError> {
        let state = State::load(&layout, id)?;
        let volumes = layout.volumes();
        make_private(&volumes).map_err(DiskError::io(&volumes))?;
        sync_parent(&volumes).map_err(DiskError::io(&volumes))?;
        let found =
            rustix::fs::stat(&volumes).map_err(|errno| DiskError::io(&volumes)(errno.into()))?;
        let disk = Self {
            files: OpenFiles::new(layout.clone(), open_extents.max(1)),
            names: DurableNames::new(),
            buffers: Buffers::default(),
            write_backs: WriteBacks::default(),
            removals: Removals::default(),
            layout,
            id,
            settings,
            open_extents,
            space: Arc::default(),
            capacity: AtomicU64::new(0),
            device: found.st_dev,
            in_memory: is_in_memory(&volumes).map_err(DiskError::io(&volumes))?,
            sharers: AtomicU64::new(1),
            failed: AtomicBool::new(false),
            permits: Permits::default(),
            state,
            lock,
        };
        disk.measure()?;
        Ok(disk)
    }

    /// The disk's id.
    pub fn id(&self) -> DiskId {
        self.id
    }

    /// The store that it last served, and which of the starts on that store it knows of; `None` if
    /// it never served one, or an earlier version of the program.
    pub fn served(&self) -> Option<(StoreId, StoreGeneration)> {
        let state = self.state.get()?;
        Some((state.store, state.generation))
    }

    /// What tells whether it lost anything (V7); drawn when it is first noted which store it serves.
    pub fn incarnation(&self) -> Incarnation {
        let state = self.state.get();
        state.map(|state| state.incarnation).unwrap_or_default()
    }

    /// Notes durably which store it serves from now on. To be called before it does.
    pub fn serve(&self, store: StoreId, generation: StoreGeneration) -> Result<(), DiskError> {
        let path = self.layout.state();
        self.state
            .begin(&self.layout, &self.names, self.id, (store, generation))
            .map_err(DiskError::io(path))
    }

    /// Its directory, absolute.
    pub fn path(&self) -> &Path {
        self.layout.root()
    }

    /// The account of its blocks.
    pub fn space(&self) -> &Arc<DiskSpace> {
        &self.space
    }

    /// What it can hold, less its reserve, in bytes.
    pub fn capacity(&self) -> ByteCount {
        ByteCount(self.capacity.load(Ordering::Relaxed))
    }

    /// How many disks of the pool lie on its file system, itself among them.
    pub fn sharers(&self) -> u64 {
        self.sharers.load(Ordering::Relaxed)
    }

    /// Whether both lie on one file system, and so share its space.
    pub fn shares_file_system(&self, other: &Self) -> bool {
        self.device == other.device
    }

    /// Says how many disks of the pool lie on its file system, itself among them.
    pub fn share_file_system(&self, sharers: u64) -> Result<(), DiskError> {
        self.sharers.store(sharers.max(1), Ordering::Relaxed);
        self.measure()
    }

    /// Looks at what is really free. To be called every second or so.
    pub fn measure(&self) -> Result<(), DiskError> {
        let root = self.layout.root();
        let capacity = self
            .settings
            .apply(root, &self.space, self.sharers())
            .map_err(DiskError::io(root))?;
        self.capacity.store(capacity.0, Ordering::Relaxed);
        Ok(())
    }

    /// V8: a sync on it failed; nothing on it is acknowledged any more.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn fail(&self, error: &std::io::Error) -> DiskFault {
        if self.permits.fail(&self.failed) {
            tracing::error!(
                disk = %self.id, path = %self.path().display(), %error,
                "a sync failed: the disk is failed, nothing on it is acknowledged any more"
            );
            if let Err(error) = self.state.fail(&self.layout, &self.names) {
                tracing::warn!(disk = %self.id, %error, "the failure could not be noted on the disk");
            }
        }
        DiskFault::Sync
    }

    /// Has `permit` revoked when the disk fails (V14); it is at once if the disk has failed.
    pub fn revoke_when_failed(&self, permit: &Arc<dyn Permit>) {
        self.permits.add(permit, &self.failed);
    }

    /// An extent's data file, for reading past this daemon (V14). The kernel reads ahead of a
    /// sequential reader, in large pages: that takes a quarter of the processor time of asking
    /// for each read alone, and is as fast as reading without the page cache.
    pub fn open_to_read(&self, volume: VolumeId, file: ExtentFile) -> std::io::Result<File> {
        let opened = File::open(self.layout.data(volume, file))?;
        rustix::fs::fadvise(&opened, 0, None, Advice::Sequential)?;
        Ok(opened)
    }

    /// Makes the files of new extents, durably and all at once.
    pub fn create_extents(&self, volume: VolumeId, files: &[ExtentFile]) -> Result<(), DiskError> {
        let folder = self.layout.volume(volume);
        self.make_folder(volume).map_err(DiskError::io(&folder))?;
        for &file in files {
            // V8: what fails to be synced here is another extent's, and fails the disk.
            if self.make_way(volume, file).is_err() {
                return Err(DiskError::Failed);
            }
            self.files
                .create(volume, file)
                .map_err(DiskError::io(self.layout.data(volume, file)))?;
        }
        let opened = open_to_read(&folder).map_err(DiskError::io(&folder))?;
        opened.sync_all().map_err(|error| {
            self.fail(&error);
            DiskError::io(folder)(error)
        })
    }

    /// The same of those that are not there: extents that were placed while the disk was away, which is
    /// stale and gets what they hold by being resynced.
    pub fn create_missing(
        &self,
        volume: VolumeId,
        files: &BTreeSet<ExtentFile>,
    ) -> Result<(), DiskError> {
        let missing = |file: &&ExtentFile| !self.layout.data(volume, **file).exists();
        let missing: Vec<_> = files.iter().filter(missing).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.create_extents(volume, &missing)
    }

    /// Nobody serves the volume now: closes those of its files that hold nothing unsynced.
    pub fn rest(&self, volume: VolumeId) {
        self.files.close_volume(volume);
    }

    /// How many extents are open.
    pub fn open_extents(&self) -> usize {
        self.files.count()
    }

    /// Unlinks an extent whose record is gone. Its name may come back after a power cut, and is
    /// then collected at the next start.
    pub fn remove_extent(&self, volume: VolumeId, file: ExtentFile) -> Result<(), DiskError> {
        self.files.forget(volume, file);
        let data = self.layout.data(volume, file);
        // Readers past this daemon (V14) may hold it open: its space returns all the same, and they
        // find it too short.
        match OpenOptions::new().write(true).open(&data) {
            Ok(opened) => opened.set_len(0).map_err(DiskError::io(&data))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(DiskError::io(data)(error)),
        }
        for path in [data, self.layout.sums(volume, file)] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DiskError::io(path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes everything of a volume whose record is gone.
    pub fn remove_volume(&self, volume: VolumeId) -> Result<(), DiskError> {
        let folder = self.layout.volume(volume);
        self.files.forget_volume(volume);
        self.names.forget(&folder);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(DiskError::io(folder)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Makes a folder that only this daemon's user may look into: tenants' bytes lie below it.
fn make_private(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether a folder's file system keeps everything in memory.
fn is_in_memory(folder: &Path) -> std::io::Result<bool> {
    const TMPFS: i64 = 0x0102_1994;
    let kind = rustix::fs::statfs(folder)?.f_type;
    Ok(kind == TMPFS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use volumed_core::{Alloc, ExtentIndex};

    use super::*;

    fn settings(path: PathBuf) -> DiskSettings {
        DiskSettings {
            path,
            space: SpaceSettings::default(),
            open_extents: 8,
        }
    }

    #[test]
    fn disks_on_one_file_system_share_its_space() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |name| Disk::open(settings(folder.path().join(name))).expect("a disk");
        let (first, second) = (open("a"), open("b"));
        let whole = first.capacity();
        assert!(first.shares_file_system(&second));
        for disk in [&first, &second] {
            disk.share_file_system(2).expect("measured");
            assert_eq!(disk.capacity().0, whole.0 / 2);
        }
        let free = |disk: &Disk| disk.space().free().0;
        assert!(free(&first) + free(&second) <= whole.0);
    }

    #[test]
    fn each_process_syncs_the_name_of_a_folder() {
        use crate::names::tests::{just_started, take_synced};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        for _ in 0..2 {
            let path = path.clone();
            let mut disk = Disk::open(settings(path)).expect("a disk");
            disk.names = just_started();
            for extent in 0..2 {
                let extent = ExtentIndex(extent);
                let alloc = Alloc(1);
                disk.create_extents(VolumeId(7), &[ExtentFile { extent, alloc }])
                    .expect("an extent");
            }
            let named = disk.layout.volume(VolumeId(7));
            let mut synced = take_synced();
            synced.retain(|(path, _)| *path == named);
            assert_eq!(synced, [(named, Vec::new())]);
        }
    }

    #[test]
    fn a_folder_whose_name_is_not_durable_fails_the_disk() {
        use crate::names::tests::{just_started, syncs_fail};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        let mut disk = Disk::open(settings(path)).expect("a disk");
        disk.names = just_started();
        syncs_fail(true);
        disk.make_folder(VolumeId(7)).expect_err("the sync failed");
        assert!(disk.failed());
    }

    #[derive(Debug)]
    struct Leave(Arc<AtomicBool>);

    impl Leave {
        /// A permit, and whether it was revoked.
        fn observed() -> (Arc<dyn Permit>, Arc<AtomicBool>) {
            let revoked = Arc::<AtomicBool>::default();
            (Arc::new(Self(revoked.clone())), revoked)
        }
    }

    impl Permit for Leave {
        fn revoke(&self) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[test]
    fn a_failure_revokes_every_permit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        let disk = Disk::open(settings(path)).expect("a disk");
        let permit = || {
            let (permit, revoked) = Leave::observed();
            disk.revoke_when_failed(&permit);
            (permit, revoked)
        };
        let ((_held, revoked), (dropped, revoked_later)) = (permit(), permit());
        drop(dropped);
        assert!(!revoked.load(Ordering::Acquire));
        disk.fail(&std::io::Error::other("lost"));
        assert!(revoked.load(Ordering::Acquire));
        assert!(!revoked_later.load(Ordering::Acquire));
        let (_late, revoked) = permit();
        assert!(revoked.load(Ordering::Acquire));
    }

    #[test]
    fn a_reader_changes_nothing_and_keeps_no_space() {
        use std::os::unix::fs::{FileExt, MetadataExt};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        let disk = Disk::open(settings(path)).expect("a disk");
        let (volume, extent, alloc) = (VolumeId(7), ExtentIndex(0), Alloc(1));
        let file = ExtentFile { extent, alloc };
        disk.open_to_read(volume, file).expect_err("not placed yet");
        disk.create_extents(volume, &[file]).expect("an extent");
        let written = disk.files.get(volume, file).expect("an extent");
        written.write(0, &[5; 8192], true).expect("a write");
        let reader = disk.open_to_read(volume, file).expect("a file");
        reader
            .write_all_at(&[6], 0)
            .expect_err("opened for reading");
        disk.remove_extent(volume, file).expect("removed");
        assert_eq!(reader.read_at(&mut [0], 0).expect("a read"), 0);
        assert_eq!(reader.metadata().expect("an inode").blocks(), 0);
    }

    #[test]
    fn nobody_else_may_look_at_what_tenants_stored() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        let disk = Disk::open(settings(path)).expect("a disk");
        let file = ExtentFile {
            extent: ExtentIndex(0),
            alloc: Alloc(1),
        };
        disk.create_extents(VolumeId(7), &[file])
            .expect("an extent");
        let layout = &disk.layout;
        let volume = VolumeId(7);
        for path in [
            disk.path().to_owned(),
            layout.volumes(),
            layout.volume(volume),
            layout.data(volume, file),
            layout.sums(volume, file),
        ] {
            let mode = std::fs::metadata(&path)
                .expect("it is there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
        }
    }
}
