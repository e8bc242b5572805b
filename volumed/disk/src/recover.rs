//! What a disk holds when the daemon starts.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::path::Path;

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use volumed_core::format::{
    DirtyLogRecord, LOG_SLOT_SIZE, MISSED_SLOT_SIZE, MissedLogRecord, PROMISE_SLOT_SIZE,
    PromiseRecord, SUMS_FILE_SIZE, Slots, decode_sums,
};
use volumed_core::message::ExtentFile;
use volumed_core::replica::Recovered;
use volumed_core::sums::{HOLE, SumsPage, allocated};
use volumed_core::{BLOCK_SIZE, BLOCKS_PER_REGION, REGIONS_PER_EXTENT, RegionIndex, VolumeId};

use crate::header::{self, HeaderError};
use crate::holes::count_written;
use crate::note::Noted;
use crate::open::open_to_read;
use crate::slots::{self, read_up_to};
use crate::{Disk, DiskError, layout};

/// Extents are looked at by so many threads: what a start waits for is the disk, one short read after
/// another.
const READERS: usize = 16;

/// No thread is started for fewer extents.
const WORTH_A_THREAD: usize = 256;

/// A volume's folder on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVolume {
    /// Whose.
    pub volume: VolumeId,
    /// The extents that have files in it, whole or not.
    pub extents: BTreeSet<ExtentFile>,
}

impl Disk {
    /// Everything that has files on the disk.
    pub fn scan(&self) -> Result<Vec<FoundVolume>, DiskError> {
        let mut found = Vec::new();
        for name in names(&self.layout.volumes())? {
            match name.parse() {
                Ok(volume) => {
                    let names = names(&self.layout.volume(volume))?;
                    let extents = names.iter().filter_map(|name| layout::parse_extent(name));
                    found.push(FoundVolume {
                        volume,
                        extents: extents.collect(),
                    });
                }
                Err(_) => {
                    tracing::warn!(disk = %self.id(), name, "not a volume's folder: left alone");
                }
            }
        }
        Ok(found)
    }

    /// What the disk holds of a volume, of which the store places `extents` here. An extent whose
    /// files are missing is left out.
    pub fn recover(
        &self,
        volume: VolumeId,
        extents: impl IntoIterator<Item = ExtentFile>,
    ) -> Result<Recovered, DiskError> {
        let promise = slots::read(&self.layout.promise(volume), PROMISE_SLOT_SIZE)?;
        let promise = own(promise, |record: &PromiseRecord| record.volume == volume);
        let log = slots::read(&self.layout.dirty_log(volume), LOG_SLOT_SIZE)?;
        let log = own(log, |record: &DirtyLogRecord| record.volume == volume);
        let missed = slots::read(&self.layout.missed_log(volume), MISSED_SLOT_SIZE)?;
        let missed = own(missed, |record: &MissedLogRecord| record.volume == volume);
        let files: Vec<ExtentFile> = extents.into_iter().collect();
        let log = match log {
            Slots::Fresh if self.any_holds(volume, &files)? => {
                tracing::error!(disk = %self.id(), %volume, "the dirty log is gone: everything is checked");
                Slots::Damaged
            }
            // Its making was cut short, or an older program made it.
            Slots::Fresh if self.layout.volume(volume).exists() => {
                let begun = self.begin_log(volume);
                begun.map_err(DiskError::io(self.layout.dirty_log(volume)))?;
                Slots::Fresh
            }
            log => log,
        };
        let noted = self.noted(volume, &log)?;
        let share = files.len().div_ceil(READERS).max(WORTH_A_THREAD);
        let (here, elsewhere) = files.split_at(share.min(files.len()));
        let extents = std::thread::scope(|scope| {
            let (log, noted) = (&log, &noted);
            let count = |share| scope.spawn(move || self.count_all(volume, share, log, noted));
            let threads: Vec<_> = elsewhere.chunks(share).map(count).collect();
            let mut extents = self.count_all(volume, here, log, noted)?;
            for thread in threads {
                let counted = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                extents.extend(counted?);
            }
            Ok(extents)
        })?;
        Ok(Recovered {
            incarnation: self.incarnation(),
            promise,
            log,
            missed,
            extents,
        })
    }

    /// V5: a volume's folder is made with a log, so one that is gone or empty may have named any of
    /// those that hold something.
    fn any_holds(&self, volume: VolumeId, files: &[ExtentFile]) -> Result<bool, DiskError> {
        for &file in files {
            if self.holds_anything(volume, file)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The extents that are there, in their order, with the blocks that each holds.
    fn count_all(
        &self,
        volume: VolumeId,
        files: &[ExtentFile],
        log: &Slots<DirtyLogRecord>,
        noted: &Noted,
    ) -> Result<Vec<(ExtentFile, u32)>, DiskError> {
        let mut held = Vec::new();
        for &file in files {
            if dirty_regions(log, file).next().is_some() {
                self.files.found_unclean(volume, file);
            } else if let Some(&allocated) = noted.get(&file) {
                held.push((file, allocated));
                continue;
            }
            match self.count(volume, file, log) {
                Ok(allocated) => held.push((file, allocated)),
                Err(DiskError::Io { path, source })
                    if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) =>
                {
                    tracing::error!(
                        disk = %self.id(), path = %path.display(), error = %source,
                        "an extent's file is missing or another one's: what it held is lost"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }

    /// How many blocks of an extent take space: what its header says if it is clean, else what its
    /// sums say and, in dirty regions, the file system, which summing anew corrects.
    fn count(
        &self,
        volume: VolumeId,
        file: ExtentFile,
        log: &Slots<DirtyLogRecord>,
    ) -> Result<u32, DiskError> {
        let data = self.layout.data(volume, file);
        std::fs::metadata(&data).map_err(DiskError::io(&data))?;
        let dirty: Vec<_> = dirty_regions(log, file).collect();
        let unclean = !dirty.is_empty();
        let path = self.layout.sums(volume, file);
        let sums = File::open(&path).map_err(DiskError::io(&path))?;
        match header::read(&sums, volume, file) {
            Ok(Some(allocated)) if !unclean => return Ok(allocated),
            Ok(None) if !unclean => {
                tracing::warn!(path = %path.display(), "a damaged header: blocks are counted");
            }
            Ok(_) => {}
            Err(HeaderError::Format(source)) => return Err(DiskError::Format { path, source }),
            Err(error) => return Err(DiskError::io(path)(error.into_io())),
        }
        if unclean {
            let opened = open_to_read(&data);
            let counted = opened.and_then(|data| counted(&sums, &data, &dirty));
            return counted.map_err(DiskError::io(&path));
        }
        let summed = summed(&sums).map_err(DiskError::io(&path))?;
        if summed == 0 {
            // A damaged header, and no sums: they were lost, unless there is no data either.
            let held = File::open(&data).and_then(|file| has_data(&file));
            if held.map_err(DiskError::io(&data))? {
                let lost = std::io::Error::new(ErrorKind::InvalidData, "its sums are gone");
                return Err(DiskError::io(path)(lost));
            }
        }
        Ok(summed)
    }

    /// Whether anything was ever written into an extent's files, as far as they tell: data that
    /// takes space, or sums.
    pub fn holds_anything(&self, volume: VolumeId, file: ExtentFile) -> Result<bool, DiskError> {
        let data = self.layout.data(volume, file);
        let sums = self.layout.sums(volume, file);
        let in_data =
            open_if_there(&data).and_then(|file| file.map_or(Ok(false), |f| has_data(&f)));
        if in_data.map_err(DiskError::io(data))? {
            return Ok(true);
        }
        let in_sums = open_if_there(&sums).and_then(|file| file.map_or(Ok(0), |f| summed(&f)));
        Ok(in_sums.map_err(DiskError::io(sums))? > 0)
    }
}

fn open_if_there(path: &Path) -> std::io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file is more than a hole.
fn has_data(file: &File) -> std::io::Result<bool> {
    match rustix::fs::seek(file, SeekFrom::Data(0)) {
        Ok(_) => Ok(true),
        Err(Errno::NXIO) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How many blocks of an extent take space by its sums.
fn summed(sums: &File) -> std::io::Result<u32> {
    let pages = sums_pages(sums)?;
    Ok(pages.iter().map(|page| allocated(&page[..])).sum())
}

/// The same of an extent with dirty regions, of which the sums file knows only a part.
fn counted(sums: &File, data: &File, dirty: &[RegionIndex]) -> std::io::Result<u32> {
    let mut pages = sums_pages(sums)?;
    pages.resize(
        REGIONS_PER_EXTENT as usize,
        Box::new([HOLE; BLOCKS_PER_REGION]),
    );
    for &region in dirty {
        let page = &mut pages[(region.0 % REGIONS_PER_EXTENT) as usize];
        count_written(data, region, page)?;
    }
    Ok(pages.iter().map(|page| allocated(&page[..])).sum())
}

fn sums_pages(sums: &File) -> std::io::Result<Vec<Box<SumsPage>>> {
    let pages = read_up_to(sums, BLOCK_SIZE, (SUMS_FILE_SIZE - BLOCK_SIZE) as usize)?;
    Ok(pages.chunks(BLOCK_SIZE as usize).map(decode_sums).collect())
}

/// A record that was copied from elsewhere is as good as damaged.
fn own<R>(found: Slots<R>, is_own: impl FnOnce(&R) -> bool) -> Slots<R> {
    match found {
        Slots::Newest(record) if !is_own(&record) => Slots::Damaged,
        found => found,
    }
}

/// The regions of an extent that the log names.
fn dirty_regions(
    log: &Slots<DirtyLogRecord>,
    file: ExtentFile,
) -> impl Iterator<Item = RegionIndex> {
    let first = file.extent.0 * REGIONS_PER_EXTENT;
    let regions = (first..first + REGIONS_PER_EXTENT).map(RegionIndex);
    regions.filter(move |region| match log {
        Slots::Fresh => false,
        Slots::Damaged => true,
        Slots::Newest(record) => record.regions.as_ref().is_none_or(|it| it.contains(region)),
    })
}

pub(crate) fn names(folder: &Path) -> Result<Vec<String>, DiskError> {
    let entries = std::fs::read_dir(folder).map_err(DiskError::io(folder))?;
    entries
        .map(|entry| {
            let name = entry.map_err(DiskError::io(folder))?.file_name();
            Ok(name.to_string_lossy().into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests;
