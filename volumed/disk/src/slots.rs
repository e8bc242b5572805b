//! Files of two slots that are written in turn, durably.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::Advice;
use volumed_core::format::{SlotRecord, Slots, newest};

use crate::DiskError;
use crate::names::DurableNames;
use crate::open::{is_exhausted, open, open_to_read};
use crate::writing::{failed_sync, write_durably};

/// Reads the newest record.
pub(crate) fn read<R: SlotRecord>(path: &Path, slot_size: u64) -> Result<Slots<R>, DiskError> {
    let bytes = match read_from_disk(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(DiskError::io(path)(error)),
    };
    let (first, second) = bytes.split_at(bytes.len().min(slot_size as usize));
    newest([first, second]).map_err(|source| DiskError::Format {
        path: path.to_owned(),
        source,
    })
}

/// V8: what the disk really holds, not what the page cache has: after a failed sync they differ.
fn read_from_disk(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = open_to_read(path)?;
    file.sync_data()?;
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a record into its slot; when this returns it is durable, and so is the file's name.
pub(crate) fn write<R: SlotRecord>(
    names: &DurableNames,
    path: &Path,
    slot_size: u64,
    record: &R,
) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = open(&options, path)?;
    if !names.knows(path) {
        // What a killed process wrote last may not be durable, and counts if this write tears.
        let named = file.sync_all().and_then(|()| names.make_durable(path));
        named.map_err(|error| {
            if is_exhausted(&error) {
                error
            } else {
                failed_sync(&error)
            }
        })?;
    }
    write_durably(&file, &record.encode(), record.sequence() % 2 * slot_size)
}

/// Reads up to `length` bytes at `offset`; what lies beyond the end is missing.
pub(crate) fn read_up_to(file: &File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use volumed_core::format::{PROMISE_SLOT_SIZE, PromiseRecord};
    use volumed_core::{Epoch, VolumeId};

    use super::*;
    use crate::names::tests::{just_started, syncs_fail, take_synced};

    fn record(sequence: u64) -> PromiseRecord {
        PromiseRecord {
            sequence,
            volume: VolumeId(7),
            epoch: Epoch(sequence),
        }
    }

    #[test]
    fn each_process_syncs_the_name_before_its_first_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("promise");
        let write = |names: &DurableNames, sequence| {
            write(names, &path, PROMISE_SLOT_SIZE, &record(sequence))
        };
        let first = just_started();
        syncs_fail(true);
        write(&first, 1).expect_err("the name is not durable");
        write(&first, 1).expect_err("and not taken for it");
        syncs_fail(false);
        write(&first, 1).expect("a write");
        write(&first, 2).expect("a write");
        assert_eq!(take_synced(), [(path.clone(), Vec::new())]);

        // The process before may have been killed before it synced the name, or its last slot.
        let left = std::fs::read(&path).expect("the file");
        let second = just_started();
        write(&second, 3).expect("a write");
        write(&second, 4).expect("a write");
        assert_eq!(take_synced(), [(path.clone(), left)]);
        let found: Slots<PromiseRecord> = read(&path, PROMISE_SLOT_SIZE).expect("the file");
        assert_eq!(found, Slots::Newest(record(4)));
    }
}
