//! The two files of an extent, open.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, IoSliceMut};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{Advice, FallocateFlags};
use rustix::io::{Errno, ReadWriteFlags};
use volumed_core::format::{SUMS_FILE_SIZE, SumsHeader, decode_sums, encode_sums, sums_offset};
use volumed_core::message::ExtentFile;
use volumed_core::sums::SumsPage;
use volumed_core::{BLOCK_SIZE, BLOCKS_PER_REGION, EXTENT_SIZE, RegionIndex, VolumeId};

use crate::header::{self, HeaderError};
use crate::holes::count_written;
use crate::layout::Layout;
use crate::open::open;
use crate::slots::read_up_to;
use crate::writing::{write, write_durably};

/// An extent's files. They are not closed while they hold unsynced writes (V8).
#[derive(Debug)]
pub(crate) struct OpenExtent {
    data: File,
    sums: File,
    data_syncs: Syncs,
    sums_syncs: Syncs,
    /// Bytes written since the last sync of the data began.
    waiting: AtomicU64,
}

impl OpenExtent {
    /// Makes an extent's files; nothing of an earlier attempt is left in them (V11).
    pub fn create(layout: &Layout, volume: VolumeId, file: ExtentFile) -> std::io::Result<Self> {
        let make = |path: std::path::PathBuf, size| {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600);
            let made = open(&options, &path)?;
            made.set_len(size)?;
            Ok(made)
        };
        let data = make(layout.data(volume, file), EXTENT_SIZE)?;
        let sums = make(layout.sums(volume, file), SUMS_FILE_SIZE)?;
        let header = SumsHeader {
            volume,
            extent: file.extent,
            alloc: file.alloc,
            allocated: 0,
        };
        sums.write_all_at(&header.encode(), 0)?;
        data.sync_all()?;
        sums.sync_all()?;
        Ok(Self::new(data, sums, false))
    }

    /// Opens an extent's files; `unsynced` says that no sync may cover what an earlier process wrote.
    pub fn open(
        layout: &Layout,
        volume: VolumeId,
        file: ExtentFile,
        unsynced: bool,
    ) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let data = open(&options, &layout.data(volume, file))?;
        let sums = open(&options, &layout.sums(volume, file))?;
        header::read(&sums, volume, file).map_err(HeaderError::into_io)?;
        Ok(Self::new(data, sums, unsynced))
    }

    fn new(data: File, sums: File, unsynced: bool) -> Self {
        Self {
            data,
            sums,
            data_syncs: Syncs::new(unsynced),
            sums_syncs: Syncs::new(unsynced),
            waiting: AtomicU64::new(0),
        }
    }

    pub fn unsynced(&self) -> bool {
        self.data_syncs.needed() || self.sums_syncs.needed()
    }

    /// Fills `bytes` with whole blocks; false if that would have to wait for the disk.
    pub fn read_now(&self, offset: u32, bytes: &mut [u8]) -> std::io::Result<bool> {
        read_now(&self.data, offset.into(), bytes)
    }

    pub fn read(&self, offset: u32, bytes: &mut [u8]) -> std::io::Result<()> {
        self.data.read_exact_at(bytes, offset.into())
    }

    pub fn write(&self, offset: u32, bytes: &[u8], durable: bool) -> std::io::Result<()> {
        if durable {
            let written = write_durably(&self.data, bytes, offset.into());
            if written.is_err() {
                // V8: a part may be in the page cache alone.
                self.data_syncs.need();
            }
            return written;
        }
        let written = self
            .data_syncs
            .change(|| write(&self.data, bytes, offset.into()));
        self.waiting
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        written
    }

    /// Gives blocks back to the file system; they read zero.
    pub fn punch(&self, offset: u32, length: u32) -> std::io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        self.data_syncs.change(|| {
            let (offset, length) = (offset.into(), length.into());
            let punch = || rustix::fs::fallocate(&self.data, flags, offset, length);
            Ok(rustix::io::retry_on_intr(punch)?)
        })
    }

    /// Makes blocks zero that keep their space.
    pub fn zero(&self, offset: u32, length: u32) -> std::io::Result<()> {
        let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        let zero = || rustix::fs::fallocate(&self.data, flags, offset.into(), length.into());
        let zeroed = self.data_syncs.change(|| rustix::io::retry_on_intr(zero));
        match zeroed {
            Ok(()) => Ok(()),
            // tmpfs knows no such thing.
            Err(Errno::OPNOTSUPP) => self.write(offset, &vec![0; length as usize], false),
            Err(error) => Err(error.into()),
        }
    }

    pub fn load_sums_now(&self, region: RegionIndex) -> std::io::Result<Option<Box<SumsPage>>> {
        let mut page = [0; BLOCK_SIZE as usize];
        let read = read_now(&self.sums, sums_offset(region, 0), &mut page)?;
        Ok(read.then(|| decode_sums(&page)))
    }

    pub fn load_sums(&self, region: RegionIndex) -> std::io::Result<Box<SumsPage>> {
        let page = read_up_to(&self.sums, sums_offset(region, 0), BLOCK_SIZE as usize)?;
        Ok(decode_sums(&page))
    }

    /// Completes what the sums file has of a dirty region by what the data file holds.
    pub fn count_written(&self, region: RegionIndex, page: &mut SumsPage) -> std::io::Result<()> {
        count_written(&self.data, region, page)
    }

    /// Notes sums from the extent's `first` block on; never durable before the extent is settled.
    pub fn store_sums(&self, file: ExtentFile, first: u32, sums: &[u32]) -> std::io::Result<()> {
        let (mut block, mut left) = (first as usize, sums);
        while !left.is_empty() {
            let region = RegionIndex::of(file.extent.start() + block as u64 * BLOCK_SIZE);
            let at = block % BLOCKS_PER_REGION;
            let (now, rest) = left.split_at(left.len().min(BLOCKS_PER_REGION - at));
            let place = sums_offset(region, at);
            self.sums_syncs
                .change(|| self.sums.write_all_at(&encode_sums(now), place))?;
            block += now.len();
            left = rest;
        }
        Ok(())
    }

    /// The same of a whole region.
    pub fn store_page(&self, region: RegionIndex, page: &SumsPage) -> std::io::Result<()> {
        let place = sums_offset(region, 0);
        self.sums_syncs
            .change(|| self.sums.write_all_at(&encode_sums(page), place))
    }

    pub fn store_header(&self, header: &SumsHeader) -> std::io::Result<()> {
        self.sums_syncs
            .change(|| self.sums.write_all_at(&header.encode(), 0))
    }

    pub fn sync_data(&self) -> std::io::Result<()> {
        self.data_syncs.run(|| self.sync_waiting())
    }

    /// Syncs the data unless it is being synced.
    pub fn sync_data_unless_busy(&self) -> std::io::Result<()> {
        self.data_syncs.run_unless_busy(|| self.sync_waiting())
    }

    /// About how many bytes wait for a sync of the data.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    fn sync_waiting(&self) -> std::io::Result<()> {
        self.waiting.store(0, Ordering::Relaxed);
        self.data.sync_data()
    }

    pub fn sync_sums(&self) -> std::io::Result<()> {
        self.sums_syncs.run(|| self.sums.sync_data())
    }

    /// Begins to read a range into the page cache.
    pub fn read_ahead(&self, offset: u64, length: u64) -> std::io::Result<()> {
        let length = std::num::NonZeroU64::new(length);
        Ok(rustix::fs::fadvise(
            &self.data,
            offset,
            length,
            Advice::WillNeed,
        )?)
    }

    /// Drops a range from the page cache, so that the next read sees what the disk has (V8).
    pub fn forget_cached(&self, offset: u64, length: u64) -> std::io::Result<()> {
        let length = std::num::NonZeroU64::new(length);
        Ok(rustix::fs::fadvise(
            &self.data,
            offset,
            length,
            Advice::DontNeed,
        )?)
    }
}

/// The syncs of one file, one at a time.
#[derive(Debug)]
struct Syncs {
    /// Something may be written that no sync covers.
    needed: AtomicBool,
    /// Held while a sync runs; whether one failed.
    failed: Mutex<bool>,
}

impl Syncs {
    fn new(needed: bool) -> Self {
        Self {
            needed: AtomicBool::new(needed),
            failed: Mutex::new(false),
        }
    }

    fn needed(&self) -> bool {
        self.needed.load(Ordering::Acquire)
    }

    fn need(&self) {
        self.needed.store(true, Ordering::Release);
    }

    /// Runs a change of the file. A sync is needed from its beginning, so that the file is not
    /// closed, and again from its end: one that ran meanwhile may not have covered it.
    fn change<T>(&self, change: impl FnOnce() -> T) -> T {
        self.need();
        let changed = change();
        self.need();
        changed
    }

    /// Runs `sync` if it is needed. A sync under way is waited for, since it may cover what the
    /// caller wants durable (V3); after one that failed none is tried again, since the next would
    /// answer well for bytes that are lost (V8).
    fn run(&self, sync: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<()> {
        self.run_holding(self.failed.lock(), sync)
    }

    /// The same for who needs nothing to be durable: nothing is done while another sync runs.
    fn run_unless_busy(&self, sync: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<()> {
        match self.failed.try_lock() {
            Some(failed) => self.run_holding(failed, sync),
            None => Ok(()),
        }
    }

    fn run_holding(
        &self,
        mut failed: MutexGuard<'_, bool>,
        sync: impl FnOnce() -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        if *failed {
            return Err(Error::other("an earlier sync of the file failed"));
        }
        // Cleared first: a change that ends meanwhile sets it again.
        if self.needed.swap(false, Ordering::AcqRel)
            && let Err(error) = sync()
        {
            *failed = true;
            self.need();
            return Err(error);
        }
        Ok(())
    }
}

fn read_now(file: &File, offset: u64, bytes: &mut [u8]) -> std::io::Result<bool> {
    let length = bytes.len();
    let mut slices = [IoSliceMut::new(bytes)];
    match rustix::io::preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
        Ok(count) => Ok(count == length),
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::{File, OpenExtent, Syncs};

    #[test]
    fn what_a_failed_durable_write_left_is_unsynced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        // As a full disk does, a file that is open for reading only refuses the write.
        let refusing = || File::create(&path).and_then(|_| File::open(&path));
        let (data, sums) = (refusing().expect("a file"), refusing().expect("a file"));
        let extent = OpenExtent::new(data, sums, false);
        assert!(!extent.unsynced());
        extent
            .write(0, &[7; 4096], true)
            .expect_err("the write fails");
        assert!(extent.unsynced(), "the page cache may hold a part of it");
    }

    #[test]
    fn a_sync_waits_for_the_one_that_runs() {
        let syncs = Syncs::new(true);
        let ended = AtomicBool::new(false);
        let (begun, begins) = channel();
        let (go_on, goes_on) = channel();
        std::thread::scope(|scope| {
            let (syncs, ended) = (&syncs, &ended);
            scope.spawn(move || {
                syncs.run(|| {
                    begun.send(()).expect("the test waits");
                    goes_on.recv().expect("the test goes on");
                    ended.store(true, Ordering::SeqCst);
                    Ok(())
                })
            });
            begins.recv().expect("the first sync begins");
            let second = scope.spawn(|| {
                syncs.run(|| Ok(())).expect("nothing failed");
                ended.load(Ordering::SeqCst)
            });
            go_on.send(()).expect("the first sync waits");
            assert!(
                second.join().expect("no panic"),
                "answered before the bytes were durable"
            );
        });
    }

    #[test]
    fn a_sync_during_a_change_does_not_count_for_it() {
        let syncs = Syncs::new(false);
        syncs.change(|| syncs.run(|| Ok(())).expect("nothing failed"));
        assert!(syncs.needed());
    }

    #[test]
    fn a_sync_that_nobody_waits_for_leaves_the_one_that_runs_alone() {
        let syncs = Syncs::new(true);
        let early = || syncs.run_unless_busy(|| unreachable!("another one runs"));
        syncs.run(early).expect("nothing failed");
        syncs.need();
        syncs.run_unless_busy(|| Ok(())).expect("nothing failed");
        assert!(!syncs.needed(), "none ran this time");
    }

    #[test]
    fn a_flush_finds_that_an_early_sync_failed() {
        let syncs = Syncs::new(true);
        syncs
            .run_unless_busy(|| Err(Error::other("lost")))
            .expect_err("the sync failed");
        syncs.run(|| Ok(())).expect_err("the bytes are lost");
    }

    #[test]
    fn after_a_failed_sync_none_answers_well() {
        let syncs = Syncs::new(true);
        syncs
            .run(|| Err(Error::other("lost")))
            .expect_err("the sync failed");
        syncs
            .run(|| Ok(()))
            .expect_err("a second sync says nothing about what was lost");
        assert!(syncs.needed());
    }
}
