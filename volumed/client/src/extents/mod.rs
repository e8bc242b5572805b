//! Reading a local volume's extents without the daemon between (V14).
//!
//! The daemon hands the owner of a volume the data files of its extents, opened for reading. What
//! is read from them was checked by nobody: the caller must have a checksum of its own, and reads
//! through the daemon, which checks and repairs (V10), whenever that does not match or nothing is
//! answered here. Why this is sound, and which cases end in a mismatch, is in volumed's
//! ARCHITECTURE.md.

mod source;
pub mod wire;

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::sync::Cache;
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::sync::Semaphore;
use volumed_buffers::Buffers;

use source::Source;
use wire::EXTENT_SIZE;

/// Reads that may wait for the disk at once: enough to keep an SSD busy.
const WAITING_READS: usize = 16;

/// How long a refusal holds before the daemon is asked for the extent again.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// The extents' files that this process holds open, of all its volumes together. Clones share them.
#[derive(Debug, Clone)]
pub struct ExtentFiles(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// By reader and extent.
    known: Cache<(u64, u64), Known>,
    readers: AtomicU64,
    waiting: Semaphore,
    buffers: Buffers,
}

#[derive(Debug, Clone)]
enum Known {
    Open(Arc<File>),
    RefusedUntil(Instant),
}

impl ExtentFiles {
    /// Holds at most so many files open; beyond that, those that were not used for longest close.
    pub fn new(most_open: usize) -> Self {
        Self(Arc::new(Shared {
            known: Cache::new(most_open),
            readers: AtomicU64::new(0),
            waiting: Semaphore::new(WAITING_READS),
            buffers: Buffers::default(),
        }))
    }
}

/// Reads the extents of one attached volume.
#[derive(Debug)]
pub(crate) struct ExtentReader {
    number: u64,
    files: ExtentFiles,
    source: Arc<Source>,
}

impl ExtentReader {
    /// `export`: as the attach named it.
    pub async fn connect(socket: &Path, export: &str, files: ExtentFiles) -> std::io::Result<Self> {
        let (socket, export) = (socket.to_owned(), export.to_owned());
        let connecting = move || Source::connect(&socket, &export);
        let source = tokio::task::spawn_blocking(connecting)
            .await
            .map_err(std::io::Error::other)??;
        Ok(Self {
            number: files.0.readers.fetch_add(1, Ordering::Relaxed),
            files,
            source: Arc::new(source),
        })
    }

    /// `length` bytes at `offset` as the disk's file has them, or `None`: then they must be read
    /// through the daemon. Answers on the caller's thread what the page cache holds.
    pub async fn read(&self, offset: u64, length: usize) -> Option<Bytes> {
        if let Some(bytes) = self.read_cached(offset, length) {
            return Some(bytes);
        }
        let extent = self.extent(offset, length)?;
        let shared = &self.files.0;
        let mut buffer = shared.buffers.take(length);
        let _turn = shared.waiting.acquire().await.ok()?;
        let waiting = move || extent.read(&mut buffer).then(|| buffer.into());
        tokio::task::spawn_blocking(waiting).await.ok()?
    }

    /// The same if the page cache holds them.
    pub fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let extent = self.extent(offset, length)?;
        let file = extent.open.as_ref()?;
        let mut buffer = self.files.0.buffers.take(length);
        let read = read_now(file, extent.at, &mut buffer);
        (read && self.source.permitted()).then(|| buffer.into())
    }

    /// The same on a thread that may wait for the daemon and the disk: fills `bytes`, or answers
    /// false.
    pub fn read_blocking(&self, offset: u64, bytes: &mut [u8]) -> bool {
        self.extent(offset, bytes.len())
            .is_some_and(|extent| extent.read(bytes))
    }

    /// The extent that a read of these bytes is about, if it may be there to be read.
    fn extent(&self, offset: u64, length: usize) -> Option<Extent> {
        let (number, at) = (offset / EXTENT_SIZE, offset % EXTENT_SIZE);
        if self.source.ended() || at + length as u64 > EXTENT_SIZE {
            return None;
        }
        let key = (self.number, number);
        let open = match self.files.0.known.get(&key) {
            Some(Known::RefusedUntil(end)) if Instant::now() < end => return None,
            Some(Known::Open(file)) => Some(file),
            _ => None,
        };
        Some(Extent {
            key,
            at,
            open,
            files: self.files.clone(),
            source: self.source.clone(),
        })
    }
}

impl Drop for ExtentReader {
    fn drop(&mut self) {
        self.files
            .0
            .known
            .retain(|(reader, _), _| *reader != self.number);
    }
}

/// An extent, and where in it a read begins.
struct Extent {
    key: (u64, u64),
    at: u64,
    /// Its file, if this process has it.
    open: Option<Arc<File>>,
    files: ExtentFiles,
    source: Arc<Source>,
}

impl Extent {
    /// Fills `bytes`, or answers false; may wait for the daemon and the disk.
    fn read(&self, bytes: &mut [u8]) -> bool {
        let Some(file) = self.open.clone().or_else(|| self.open()) else {
            return false;
        };
        if file.read_exact_at(bytes, self.at).is_err() {
            // Too short: the extent was removed. Or the disk failed, which the daemon must see.
            self.files.0.known.remove(&self.key);
            return false;
        }
        self.source.permitted()
    }

    fn open(&self) -> Option<Arc<File>> {
        let file = self.source.file(self.key.1).map(Arc::new);
        let known = match &file {
            Some(file) => Known::Open(file.clone()),
            None => Known::RefusedUntil(Instant::now() + REFUSED_FOR),
        };
        self.files.0.known.insert(self.key, known);
        file
    }
}

/// Fills `bytes` if the page cache has them all.
fn read_now(file: &File, offset: u64, bytes: &mut [u8]) -> bool {
    let length = bytes.len();
    let mut slices = [IoSliceMut::new(bytes)];
    let read = preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT);
    read == Ok(length)
}
