//! A cache on this machine's disk of what was read, for the next time and the next mount.
//!
//! `FOLDER/BUCKET@HOST/N/` belongs to one mount at a time, which holds a lock on the file `lock` in it;
//! another mount of the same bucket takes the next number. Each `HASH.object` in it is a version of an
//! object, in the form of [`fused_fs::cache::Version`]. Other files are left alone.
//!
//! Readers open the files as they need them and take what is whole. All changes are made by one thread
//! (`writer.rs`). Nothing that goes wrong here fails a read: what cannot be had is asked of the server.

mod reading;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use fused_fs::cache::{Kept, Name, Version, is_entry_of};
use nix::fcntl::Flock;
use parking_lot::Mutex;

use crate::staging;
use writer::Writer;

/// How exactly a file's time says when it was used.
const USED: Duration = Duration::from_mins(1);

/// How long an earlier mount may take to write the last of what it keeps after it was unmounted.
const ENDING: Duration = Duration::from_secs(1);
/// How long until it is looked again whether it has ended.
const RETRY: Duration = Duration::from_millis(20);

/// What was read before, and may be read again.
pub struct DiskCache {
    shelf: Arc<Shelf>,
    writer: Writer,
}

/// The folder, and what is known of it.
struct Shelf {
    folder: PathBuf,
    /// Held as long as the mount lives.
    _lock: Flock<File>,
    kept: Mutex<Kept>,
    /// The folder was looked through: what is not known is not there.
    scanned: AtomicBool,
    warned: AtomicBool,
}

/// Chunks that follow one another, as far as they are there.
pub struct Loaded {
    /// The bytes of all of them; zeros where they are not there.
    pub bytes: BytesMut,
    /// Which of them are there, whole.
    pub good: Vec<bool>,
}

impl DiskCache {
    /// Opens the first folder below `path` that no living mount has. `limit`: most bytes to take there.
    /// Blocks.
    pub fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let deadline = Instant::now() + ENDING;
        let mut number = 0_u64;
        let (folder, lock) = loop {
            let folder = path.join(number.to_string());
            staging::folder(&folder)?;
            match staging::lock(&folder)? {
                Some(lock) => break (folder, lock),
                None if number == 0 && Instant::now() < deadline => std::thread::sleep(RETRY),
                None => number += 1,
            }
        };
        let shelf = Arc::new(Shelf {
            folder,
            _lock: lock,
            kept: Mutex::new(Kept::new(limit)),
            scanned: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        });
        let writer = Writer::start(shelf.clone())?;
        Ok(Self { shelf, writer })
    }

    /// Waits until what is to be kept is written.
    pub fn close(&self) {
        self.writer.close();
    }
}

impl Drop for DiskCache {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shelf {
    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.file_name())
    }

    /// Whether something of a version may be here.
    fn may_have(&self, name: &Name) -> bool {
        self.kept.lock().has(name) || !self.scanned.load(Ordering::Acquire)
    }

    /// Chunks of a version that are here; `None`: none of them. Blocks.
    fn load(&self, version: &Version, chunks: Range<u64>) -> Option<Loaded> {
        let loaded = self.try_load(version, chunks);
        let loaded = loaded.inspect_err(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                self.warn("it cannot be read", error);
            }
        });
        let loaded = loaded.ok().flatten()?;
        self.kept.lock().used(version.name);
        Some(loaded)
    }

    fn try_load(&self, version: &Version, chunks: Range<u64>) -> io::Result<Option<Loaded>> {
        let file = File::open(self.path(&version.name))?;
        let entries = entries(&file, version, &chunks)?;
        if !entries.iter().any(|entry| is_entry_of(entry)) {
            return Ok(None);
        }
        let all = version.bytes(&chunks);
        let mut bytes = BytesMut::zeroed((all.end - all.start) as usize);
        let mut good = Vec::with_capacity(entries.len());
        for (chunk, entry) in chunks.zip(entries) {
            let at = (version.bytes(&(chunk..chunk)).start - all.start) as usize;
            let place = &mut bytes[at..at + version.length(chunk) as usize];
            good.push(is_entry_of(&entry) && self.load_chunk(&file, version, chunk, entry, place));
        }
        touch(&file);
        Ok(good.contains(&true).then_some(Loaded { bytes, good }))
    }

    /// Reads a chunk that is marked as present; whether it is whole.
    fn load_chunk(
        &self,
        file: &File,
        version: &Version,
        chunk: u64,
        entry: [u8; 8],
        bytes: &mut [u8],
    ) -> bool {
        if let Err(error) = file.read_exact_at(bytes, version.data_at(chunk)) {
            self.warn("it cannot be read", &error);
            return false;
        }
        let whole = version.entry(chunk, bytes) == entry;
        if !whole {
            self.warn(
                "a part of it is damaged",
                &io::ErrorKind::InvalidData.into(),
            );
        }
        whole
    }

    /// Says once that the server has to be asked for what should be here.
    fn warn(&self, what: &str, error: &io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "the cache: {what}; the server is asked instead");
        }
    }

    /// Finds out what earlier mounts have kept, and removes what is too much, or of no use. Blocks.
    fn scan(&self) -> io::Result<()> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(name) = name.to_str().and_then(Name::of_file_name) {
                match kept_in(&entry.path(), name) {
                    Ok((used, bytes)) if bytes > 0 => found.push((used, name, bytes)),
                    Ok(_) => self.remove(&name),
                    Err(error) => self.warn("it cannot be read", &error),
                }
            }
        }
        found.sort_unstable();
        let surplus = {
            let mut kept = self.kept.lock();
            for (_, name, bytes) in found {
                kept.added(name, bytes);
            }
            kept.surplus()
        };
        for name in surplus {
            self.remove(&name);
        }
        self.scanned.store(true, Ordering::Release);
        Ok(())
    }

    /// Those who are reading it can go on.
    fn remove(&self, name: &Name) {
        if let Err(error) = fs::remove_file(self.path(name))
            && error.kind() != io::ErrorKind::NotFound
        {
            self.warn("a file cannot be removed", &error);
        }
    }
}

/// What a file says of chunks. What is behind its end is a hole.
fn entries(file: &File, version: &Version, chunks: &Range<u64>) -> io::Result<Vec<[u8; 8]>> {
    let mut entries = vec![[0; 8]; (chunks.end - chunks.start) as usize];
    let bytes = entries.as_flattened_mut();
    let mut read = 0;
    while read < bytes.len() {
        let at = version.entry_at(chunks.start) + read as u64;
        match file.read_at(&mut bytes[read..], at) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // An entry that the end cuts in two is none.
    bytes[read / 8 * 8..].fill(0);
    Ok(entries)
}

/// When a version was used last, and how many of its bytes are present: none when the file is damaged.
fn kept_in(path: &Path, name: Name) -> io::Result<(SystemTime, u64)> {
    /// How many chunks are looked at in one go.
    const STEP: u64 = 8192;
    let mut file = File::open(path)?;
    let used = file.metadata()?.modified()?;
    let mut head = [0; 24];
    let version = match file.read_exact(&mut head) {
        Ok(()) => Version::of_head(name, head),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(error) => return Err(error),
    };
    let mut bytes = 0;
    if let Some(version) = version {
        for first in (0..version.chunks()).step_by(STEP as usize) {
            let chunks = first..(first + STEP).min(version.chunks());
            let present = chunks.clone().zip(entries(&file, &version, &chunks)?);
            let present = present.filter(|(_, entry)| is_entry_of(entry));
            bytes += present.map(|(chunk, _)| version.length(chunk)).sum::<u64>();
        }
    }
    Ok((used, bytes))
}

/// Notes for the next mount that a file was used. It matters little if it cannot.
fn touch(file: &File) {
    let now = SystemTime::now();
    let modified = file.metadata().and_then(|it| it.modified());
    if modified.is_ok_and(|it| now.duration_since(it).is_ok_and(|since| since > USED)) {
        let _ = file.set_modified(now);
    }
}
