//! The disk operations of the core.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use volumed_buffers::Buffer;
use volumed_core::format::{LOG_SLOT_SIZE, MISSED_SLOT_SIZE, PROMISE_SLOT_SIZE, SlotRecord};
use volumed_core::message::ExtentFile;
use volumed_core::replica::{BadBlock, DiskAnswer, DiskFault, DiskOp, DiskResult};
use volumed_core::sums::{HOLE, merge, sum, sums, verify};
use volumed_core::{BLOCK_SIZE, VolumeId};

use crate::extent_file::OpenExtent;
use crate::{Disk, slots};

/// Threads that one flush syncs its files on.
const SYNCS_AT_ONCE: usize = 4;

/// The most bytes that the caller's thread copies into the page cache, or from it.
const COPIED_NOW: usize = 128 << 10;

/// Whether to wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Never,
    AsLongAsItTakes,
}

impl Disk {
    /// Runs an operation on the caller's thread if the page cache suffices for it; `None` says that
    /// nothing was done and [`Self::run`] is needed.
    pub fn try_now(&self, volume: VolumeId, op: &DiskOp) -> Option<DiskResult> {
        if self.failed() {
            return Some(Err(DiskFault::Sync));
        }
        match op {
            // That is work enough for a thread of its own.
            op if copied(op) > COPIED_NOW => None,
            DiskOp::Read { file, .. }
            | DiskOp::Write { file, .. }
            | DiskOp::LoadSums { file, .. }
                if self.in_memory && self.files.is_at_hand(volume, *file) =>
            {
                Some(self.run(volume, op))
            }
            DiskOp::Read { file, .. }
            | DiskOp::Write {
                file,
                durable: false,
                ..
            }
            | DiskOp::LoadSums { file, .. }
                if self.files.is_at_hand(volume, *file) =>
            {
                self.access(volume, op, Wait::Never).transpose()
            }
            // Nothing to sync.
            DiskOp::Sync { files } if files.is_empty() => Some(Ok(DiskAnswer::Done)),
            _ => None,
        }
    }

    /// Runs an operation, waiting for the disk.
    pub fn run(&self, volume: VolumeId, op: &DiskOp) -> DiskResult {
        // V8: what was under way when the disk failed is not acknowledged either.
        if self.failed() {
            return Err(DiskFault::Sync);
        }
        match op {
            DiskOp::Read { .. } | DiskOp::Write { .. } | DiskOp::LoadSums { .. } => self
                .access(volume, op, Wait::AsLongAsItTakes)?
                .ok_or(DiskFault::Io),
            &DiskOp::Zero {
                file,
                offset,
                length,
                durable,
                keep,
            } => self.zero(volume, file, (offset, length), durable, keep),
            DiskOp::Fetch { file, offset, sums } => self.fetch(volume, *file, *offset, sums),
            DiskOp::Store {
                file,
                offset,
                chunk,
            } => self.store(volume, *file, *offset, chunk),
            DiskOp::Digest { file, offset, sums } => self.digest(volume, *file, *offset, sums),
            DiskOp::Replace {
                file,
                offset,
                chunk,
            } => self.replace(volume, *file, *offset, chunk),
            DiskOp::Resum {
                file,
                region,
                before,
                damaged,
            } => self.resum(volume, *file, *region, before.clone(), damaged),
            DiskOp::Verify {
                file,
                region,
                expected,
            } => self.verify(volume, *file, *region, expected.as_deref()),
            DiskOp::Sync { files } => {
                self.write_backs.flushed();
                self.in_parallel(volume, files, |extent, _| {
                    extent.sync_data().map_err(|error| self.fail(&error))
                })
            }
            DiskOp::StoreSums { pages } => self.store_sums(volume, pages),
            DiskOp::Settle { files, pages } => self.settle(volume, files, pages),
            DiskOp::WriteLog(record) => {
                let path = self.layout.dirty_log(volume);
                self.write_slot(volume, &path, LOG_SLOT_SIZE, record)
            }
            DiskOp::WriteMissed(record) => {
                let path = self.layout.missed_log(volume);
                self.write_slot(volume, &path, MISSED_SLOT_SIZE, record)
            }
            DiskOp::WritePromise(record) => {
                let path = self.layout.promise(volume);
                self.write_slot(volume, &path, PROMISE_SLOT_SIZE, record)
            }
            DiskOp::Remove { file } => {
                self.discard(volume, Some(*file));
                Ok(DiskAnswer::Done)
            }
        }
    }

    fn write_slot<R: SlotRecord>(
        &self,
        volume: VolumeId,
        path: &Path,
        slot_size: u64,
        record: &R,
    ) -> DiskResult {
        let written = self
            .make_folder(volume)
            .and_then(|()| slots::write(&self.names, path, slot_size, record));
        written
            .map(|()| DiskAnswer::Done)
            .map_err(|error| self.durable_fault(&error))
    }

    /// Gives the disk something to do before a flush asks for it: syncs the extent into which `op` wrote
    /// if many of its bytes wait for a sync. To be called once the write was answered.
    pub fn write_back(&self, volume: VolumeId, op: &DiskOp) {
        let DiskOp::Write {
            file,
            data,
            durable: false,
            ..
        } = op
        else {
            return;
        };
        self.write_backs.wrote(data.len() as u64);
        if self.failed() || !self.files.is_at_hand(volume, *file) {
            return;
        }
        // One that cannot be opened was removed.
        if let Ok(extent) = self.files.get(volume, *file) {
            // V8: a failure is a failed sync as any other, and the next flush finds it.
            if let Err(error) = self.write_backs.run(&extent) {
                self.fail(&error);
            }
        }
    }

    /// Begins to read bytes of an extent into the page cache. A hint: what cannot be had is not told.
    pub fn read_ahead(&self, volume: VolumeId, file: ExtentFile, offset: u64, length: u64) {
        if self.failed() {
            return;
        }
        if let Ok(extent) = self.extent(volume, file)
            && let Err(error) = extent.read_ahead(offset, length)
        {
            tracing::debug!(%error, "cannot read ahead");
        }
    }

    fn access(
        &self,
        volume: VolumeId,
        op: &DiskOp,
        wait: Wait,
    ) -> Result<Option<DiskAnswer>, DiskFault> {
        match op {
            DiskOp::Read {
                file,
                offset,
                expected,
            } => {
                let extent = self.extent(volume, *file)?;
                let blocks = self.read_checked(&extent, *offset, expected, wait)?;
                Ok(blocks.map(|blocks| DiskAnswer::Data(Bytes::from(blocks))))
            }
            DiskOp::LoadSums { file, region } => {
                let extent = self.extent(volume, *file)?;
                let page = match wait {
                    Wait::Never => extent.load_sums_now(*region),
                    Wait::AsLongAsItTakes => extent.load_sums(*region).map(Some),
                };
                let page = page.map_err(|error| self.fault(&error))?;
                Ok(page.map(|page| DiskAnswer::Page { page }))
            }
            DiskOp::Write {
                file,
                offset,
                data,
                durable,
                first,
                last,
            } => {
                let extent = self.extent(volume, *file)?;
                let block = BLOCK_SIZE as u32;
                let start = offset / block * block;
                let end = offset + data.len() as u32;
                let (mut head, mut tail) = (None, None);
                for (sum, at, old) in [
                    (first, start, &mut head),
                    (last, (end - 1) / block * block, &mut tail),
                ] {
                    if let &Some(sum) = sum {
                        // V10: nothing unchecked is merged with.
                        let Some(read) = self.read_checked(&extent, at, &[sum], wait)? else {
                            return Ok(None);
                        };
                        *old = Some(read);
                    }
                }
                let skip = (offset - start) as usize;
                let blocks = merge(data, skip, head.as_deref(), tail.as_deref());
                extent.write(start, &blocks, *durable).map_err(|error| {
                    if *durable {
                        self.durable_fault(&error)
                    } else {
                        self.write_fault(&error)
                    }
                })?;
                Ok(Some(DiskAnswer::Sums(sums(&blocks))))
            }
            _ => Ok(None),
        }
    }

    fn read_checked(
        &self,
        extent: &OpenExtent,
        offset: u32,
        expected: &[u32],
        wait: Wait,
    ) -> Result<Option<Buffer>, DiskFault> {
        let mut blocks = self.buffers.take(expected.len() * BLOCK_SIZE as usize);
        let read = match wait {
            Wait::Never => extent.read_now(offset, &mut blocks),
            Wait::AsLongAsItTakes => extent.read(offset, &mut blocks).map(|()| true),
        };
        if !read.map_err(|error| self.fault(&error))? {
            return Ok(None);
        }
        match verify(&blocks, expected) {
            Ok(()) => Ok(Some(blocks)),
            Err(mismatch) => {
                let block = offset / BLOCK_SIZE as u32 + mismatch.0 as u32;
                tracing::error!(disk = %self.id(), block, "a block does not match its checksum");
                let there =
                    mismatch.0 * BLOCK_SIZE as usize..(mismatch.0 + 1) * BLOCK_SIZE as usize;
                let found = sum(&blocks[there]);
                Err(DiskFault::Corrupt(BadBlock { block, found }))
            }
        }
    }

    fn zero(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        (offset, length): (u32, u32),
        durable: bool,
        keep: bool,
    ) -> DiskResult {
        let extent = self.extent(volume, file)?;
        let done = if keep {
            extent.zero(offset, length)
        } else {
            extent.punch(offset, length)
        };
        done.map_err(|error| self.write_fault(&error))?;
        let block = BLOCK_SIZE as u32;
        let mark = if keep {
            sum(&[0; BLOCK_SIZE as usize])
        } else {
            HOLE
        };
        let marks = vec![mark; (length / block) as usize];
        let stored = extent.store_sums(file, offset / block, &marks);
        stored.map_err(|error| self.write_fault(&error))?;
        if durable {
            extent.sync_data().map_err(|error| self.fail(&error))?;
        }
        Ok(DiskAnswer::Sums(marks))
    }

    /// Syncs extents; the slowest decides. One that is gone needs none.
    pub(crate) fn in_parallel(
        &self,
        volume: VolumeId,
        files: &[ExtentFile],
        sync: impl Fn(&OpenExtent, ExtentFile) -> Result<(), DiskFault> + Sync,
    ) -> DiskResult {
        let sync_all = &|files: &[ExtentFile]| {
            files
                .iter()
                .try_for_each(|&file| match self.files.get(volume, file) {
                    Ok(extent) => sync(&extent, file),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    Err(error) => Err(self.fault(&error)),
                })
        };
        let share = files.len().div_ceil(SYNCS_AT_ONCE).max(1);
        let synced = std::thread::scope(|scope| {
            let mut shares = files.chunks(share);
            let own = shares.next().unwrap_or_default();
            let others: Vec<_> = shares
                .map(|share| {
                    let work = move || sync_all(share);
                    let spawned = std::thread::Builder::new().spawn_scoped(scope, work);
                    (share, spawned)
                })
                .collect();
            let own = sync_all(own);
            let joined = others.into_iter().map(|(share, spawned)| match spawned {
                Ok(other) => other.join().unwrap_or(Err(DiskFault::Io)),
                // No thread is to be had.
                Err(_) => sync_all(share),
            });
            joined.fold(own, Result::and)
        });
        self.files.close_surplus();
        synced.map(|()| DiskAnswer::Done)
    }

    pub(crate) fn extent(
        &self,
        volume: VolumeId,
        file: ExtentFile,
    ) -> Result<Arc<OpenExtent>, DiskFault> {
        self.make_way(volume, file)?;
        self.files
            .get(volume, file)
            .map_err(|error| self.fault(&error))
    }

    /// Keeps within the descriptors that the process may have: syncs the extent that was not used for
    /// longest, so that it can be closed.
    pub(crate) fn make_way(&self, volume: VolumeId, file: ExtentFile) -> Result<(), DiskFault> {
        if !self.files.is_at_hand(volume, file)
            && let Some(idle) = self.files.in_the_way()
        {
            let synced = idle.sync_data().and_then(|()| idle.sync_sums());
            synced.map_err(|error| self.fail(&error))?;
        }
        Ok(())
    }
}

/// How many bytes of a client's an operation copies, but for what it merges with.
fn copied(op: &DiskOp) -> usize {
    match op {
        DiskOp::Write { data, .. } => data.len(),
        DiskOp::Read { expected, .. } => expected.len() * BLOCK_SIZE as usize,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use volumed_core::{Alloc, ExtentIndex};

    use super::*;
    use crate::{DiskSettings, SpaceSettings};

    const VOLUME: VolumeId = VolumeId(7);
    const FILE: ExtentFile = ExtentFile {
        extent: ExtentIndex(1),
        alloc: Alloc(1),
    };

    #[test]
    fn long_copies_are_left_to_other_threads() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = DiskSettings {
            path: folder.path().join("disk"),
            space: SpaceSettings::default(),
            open_extents: 8,
        };
        let disk = Disk::open(settings).expect("a disk");
        disk.create_extents(VOLUME, &[FILE]).expect("an extent");
        let write = |length| DiskOp::Write {
            file: FILE,
            offset: 0,
            data: Bytes::from(vec![3; length]),
            durable: false,
            first: None,
            last: None,
        };
        let read = |length| DiskOp::Read {
            file: FILE,
            offset: 0,
            expected: vec![sum(&[3; BLOCK_SIZE as usize]); length / BLOCK_SIZE as usize],
        };
        disk.run(VOLUME, &write(2 * COPIED_NOW)).expect("written");
        for op in [write(COPIED_NOW), read(COPIED_NOW)] {
            assert!(matches!(disk.try_now(VOLUME, &op), Some(Ok(_))), "{op:?}");
        }
        let longer = COPIED_NOW + BLOCK_SIZE as usize;
        for op in [write(longer), read(longer)] {
            assert!(disk.try_now(VOLUME, &op).is_none(), "{op:?}");
        }
    }
}
