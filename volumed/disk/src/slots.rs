//! Files of two slots that are written in turn, durably.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use volumed_core::format::{SlotRecord, Slots, newest};

use crate::DiskError;
use crate::extent_file::write_durably;

/// Reads the newest record.
pub(crate) fn read<R: SlotRecord>(path: &Path, slot_size: u64) -> Result<Slots<R>, DiskError> {
    let bytes = match std::fs::read(path) {
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

/// Writes a record into its slot; when this returns it is durable, and so is the file's name.
pub(crate) fn write<R: SlotRecord>(path: &Path, slot_size: u64, record: &R) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let named = file.metadata()?.len() > 0;
    write_durably(&file, &record.encode(), record.sequence() % 2 * slot_size)?;
    if !named {
        file.sync_all()?;
        sync_parent(path)?;
    }
    Ok(())
}

/// Makes a file's name durable.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    File::open(parent)?.sync_all()
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
