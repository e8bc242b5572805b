//! Staged files that are used again for other files. Making and removing files costs a file system more
//! than writing what a small one holds: ext4 passes over every inode that was removed lately.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fused_fs::journal::Record;
use parking_lot::Mutex;

pub const JOURNAL: &str = "journal";

/// Most that are kept: each is two open files.
const MOST: usize = 32;

/// Files of bytes of at most this length are used again.
const LONGEST: u64 = 1 << 20;

/// The same of journals.
const LONGEST_JOURNAL: u64 = 256 << 10;

/// What a block of the file system has, at most.
const BLOCK: u64 = 4096;

/// A file of bytes and the journal beside it.
#[derive(Debug)]
pub struct Pair {
    pub bytes: File,
    journal: File,
    /// A line of the journal may have been cut off: what follows it would not be read.
    torn: AtomicBool,
    pub path: PathBuf,
}

impl Pair {
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).create(true).mode(0o600);
        Ok(Self {
            bytes: options.clone().write(true).open(&path)?,
            journal: options.append(true).open(path.with_extension(JOURNAL))?,
            torn: AtomicBool::new(false),
            path,
        })
    }

    /// Writes down what happened, in this order.
    pub fn record(&self, records: &[Record]) -> io::Result<()> {
        let lines: String = records.iter().map(Record::line).collect();
        let written = (&self.journal).write_all(lines.as_bytes());
        if written.is_err() {
            self.torn.store(true, Ordering::Release);
        }
        written
    }

    pub fn remove(&self) {
        remove(&self.path.with_extension(JOURNAL));
        remove(&self.path);
    }

    /// Writes down that there is nothing to upload of it any more, and where the next file begins: behind what was
    /// written, so that bytes and journal fit each other whatever a power cut leaves of them. `None`: it can be
    /// nobody's, as it is too long, or not writable.
    pub fn end_file(&self) -> Option<u64> {
        let length = self.length()?;
        self.begin_behind(length)
    }

    /// Where the next file begins, which was to begin at `start`: who had the last one may have written more.
    fn begin_file(&self, start: u64) -> Option<u64> {
        let length = self.length()?;
        if length <= start {
            return Some(start);
        }
        self.begin_behind(length)
    }

    fn begin_behind(&self, length: u64) -> Option<u64> {
        let start = length.next_multiple_of(BLOCK);
        self.record(&[Record::Next(start)]).ok()?;
        Some(start)
    }

    /// The length of the bytes, if that and the journal's are short enough and the journal is whole.
    fn length(&self) -> Option<u64> {
        if self.torn.load(Ordering::Acquire) {
            return None;
        }
        let within = |file: &File, most| Some(file.metadata().ok()?.len()).filter(|it| *it <= most);
        within(&self.journal, LONGEST_JOURNAL)?;
        within(&self.bytes, LONGEST)
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a staged file cannot be removed");
    }
}

/// A pair that no file has.
#[derive(Debug)]
pub struct Spare {
    pub pair: Arc<Pair>,
    /// Where the next file begins.
    pub start: u64,
}

/// The pairs that no file has; `None`: none are kept any more.
#[derive(Debug)]
pub struct Spares(Mutex<Option<Vec<Spare>>>);

impl Default for Spares {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Spares {
    pub fn take(&self) -> Option<Spare> {
        self.0.lock().as_mut()?.pop()
    }

    /// Keeps a pair of whose file nobody uses anything any more, or removes it if there are enough. `start`: what
    /// [`Pair::end_file`] answered.
    pub fn put(&self, pair: Arc<Pair>, start: u64) {
        let start = pair.begin_file(start);
        match (&mut *self.0.lock(), start) {
            (Some(kept), Some(start)) if kept.len() < MOST => kept.push(Spare { pair, start }),
            _ => pair.remove(),
        }
    }

    /// Removes all, also those that are put later.
    pub fn close(&self) {
        let kept = self.0.lock().take();
        for spare in kept.unwrap_or_default() {
            spare.pair.remove();
        }
    }
}
