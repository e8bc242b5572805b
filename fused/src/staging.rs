//! Files on this machine's disk that hold staged bytes, with a journal beside each, so that changes
//! that were not uploaded yet outlive the process.
//!
//! `FOLDER/BUCKET@HOST/SESSION/` has a file `N` of bytes and a file `N.journal` for each staged file,
//! a file `lock` that is locked as long as the session lives, a file `mounted` that says where it is
//! mounted, and a file `uploads` that says how uploads go.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use fused_fs::journal::{self, Record, Recovered};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use parking_lot::Mutex;

use crate::spares::{JOURNAL, Pair, Spare, Spares};
use crate::status::{MOUNTED, UPLOADS, Waiting};

const LOCK: &str = "lock";
/// What becomes `uploads` once it is written.
const NEW_UPLOADS: &str = "uploads.new";
/// Files that are of no use to anybody once the session has ended.
const PASSING: [&str; 4] = [LOCK, MOUNTED, UPLOADS, NEW_UPLOADS];

/// Where the staged bytes of one session are kept.
#[derive(Debug)]
pub struct StagingFolder {
    path: PathBuf,
    /// Held as long as the session lives.
    _lock: Flock<File>,
    next: AtomicU64,
    spares: Arc<Spares>,
}

/// The staged bytes of one file. Sparse: what is not staged takes no room.
#[derive(Debug)]
pub struct StageFile {
    pair: Arc<Pair>,
    /// Where the file's first byte lies in the file of bytes.
    start: u64,
    /// Where the pair goes when nobody has the file any more; without it, it is removed.
    spares: Option<Arc<Spares>>,
    /// Held while something is written down: nothing of this file may follow what ends it in the journal.
    phase: Mutex<Phase>,
}

/// What becomes of a staged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It may have to be uploaded.
    Staged,
    /// There is nothing to upload any more; the next file begins there.
    Ended(u64),
    /// The same, and its files are removed.
    Removed,
}

impl StagingFolder {
    /// Makes the folder of a new session below `path`, for its owner alone.
    pub fn open(path: &Path) -> io::Result<Self> {
        folder(path)?;
        let mut number = std::process::id();
        let (path, lock) = loop {
            let session = path.join(number.to_string());
            folder(&session)?;
            // Another session may have the number, or may have left something there.
            if let Some(lock) = lock(&session)?
                && !has_staged(&session)
            {
                break (session, lock);
            }
            number = number.wrapping_add(1);
        };
        Ok(Self {
            path,
            _lock: lock,
            next: AtomicU64::new(0),
            spares: Arc::default(),
        })
    }

    /// Writes down where the bucket is mounted.
    pub fn mounted_at(&self, at: &Path) -> io::Result<()> {
        fs::write(self.path.join(MOUNTED), at.as_os_str().as_encoded_bytes())
    }

    /// Writes down how uploads go; whoever reads it finds all of it.
    pub fn report(&self, uploads: &[Waiting]) -> io::Result<()> {
        let new = self.path.join(NEW_UPLOADS);
        fs::write(&new, serde_json::to_vec(uploads)?)?;
        fs::rename(new, self.path.join(UPLOADS))
    }

    /// A new and empty file.
    pub fn create(&self) -> io::Result<StageFile> {
        let Spare { pair, start } = match self.spares.take() {
            Some(spare) => spare,
            None => self.new_pair()?,
        };
        Ok(StageFile::new(pair, start, Some(self.spares.clone())))
    }

    fn new_pair(&self) -> io::Result<Spare> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let pair = Pair::open(self.path.join(number.to_string()))?;
        Ok(Spare {
            pair: Arc::new(pair),
            start: 0,
        })
    }

    /// The sessions that ended before all their changes were uploaded, other than this one. Whoever
    /// holds one is alone with it.
    pub fn left_behind(&self) -> io::Result<Vec<LeftBehind>> {
        let mut sessions = Vec::new();
        for entry in fs::read_dir(self.path.parent().unwrap_or(&self.path))? {
            let path = entry?.path();
            if path != self.path
                && path.is_dir()
                && let Some(lock) = lock(&path)?
            {
                sessions.push(LeftBehind { path, _lock: lock });
            }
        }
        Ok(sessions)
    }

    /// Takes the folder away if nothing is staged in it.
    pub fn close(&self) {
        self.spares.close();
        remove_if_empty(&self.path);
    }
}

/// A session that ended.
#[derive(Debug)]
pub struct LeftBehind {
    path: PathBuf,
    _lock: Flock<File>,
}

impl LeftBehind {
    /// The files that were staged, and what their journals tell.
    pub fn files(&self) -> io::Result<Vec<(Recovered, StageFile)>> {
        let mut files = Vec::new();
        for (recovered, path) in journals(&self.path)? {
            let pair = Arc::new(Pair::open(path)?);
            match recovered {
                Some(recovered) => {
                    let file = StageFile::new(pair, recovered.start, None);
                    files.push((recovered, file));
                }
                None => pair.remove(),
            }
        }
        Ok(files)
    }

    /// Takes the folder away if nothing is staged in it any more.
    pub fn close(&self) {
        remove_if_empty(&self.path);
    }
}

impl StageFile {
    fn new(pair: Arc<Pair>, start: u64, spares: Option<Arc<Spares>>) -> Self {
        Self {
            pair,
            start,
            spares,
            phase: Mutex::new(Phase::Staged),
        }
    }

    /// Writes down what changed, in this order, as long as it may have to be uploaded.
    pub fn record(&self, records: &[Record]) -> io::Result<()> {
        let phase = self.phase.lock();
        match *phase {
            Phase::Staged => self.pair.record(records),
            Phase::Ended(_) | Phase::Removed => Ok(()),
        }
    }

    /// Stages bytes at an offset.
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.keep(bytes, offset)?;
        self.record(&[Record::Write(offset..offset + bytes.len() as u64)])
    }

    /// Keeps bytes of the object at an offset: they are at hand, and are no change.
    pub fn keep(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.pair.bytes.write_all_at(bytes, self.start + offset)
    }

    /// Reads bytes that were staged.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.pair.bytes.read_exact_at(bytes, self.start + offset)
    }

    /// The same as bytes of their own.
    pub fn bytes(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut bytes = BytesMut::zeroed(length);
        self.read(offset, &mut bytes)?;
        Ok(bytes.freeze())
    }

    /// When bytes were staged last.
    pub fn modified(&self) -> io::Result<std::time::SystemTime> {
        self.pair.bytes.metadata()?.modified()
    }

    /// There is nothing to be uploaded any more. Who has it open can still read and write it.
    pub fn discard(&self) {
        let mut phase = self.phase.lock();
        if *phase != Phase::Staged {
            return;
        }
        let next = self.spares.as_ref().and_then(|_| self.pair.end_file());
        *phase = next.map_or(Phase::Removed, Phase::Ended);
        if next.is_none() {
            self.pair.remove();
        }
    }
}

impl Drop for StageFile {
    fn drop(&mut self) {
        if let (Some(spares), Phase::Ended(next)) = (&self.spares, *self.phase.get_mut()) {
            spares.put(self.pair.clone(), next);
        }
    }
}

/// What the journals of a session tell, and where the bytes are.
pub fn journals(session: &Path) -> io::Result<Vec<(Option<Recovered>, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(session)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == JOURNAL) {
            match fs::read_to_string(&path) {
                Ok(text) => found.push((journal::read(&text), path.with_extension(""))),
                // It was uploaded meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// Whether a session's process lives.
pub fn is_alive(session: &Path) -> io::Result<bool> {
    Ok(lock(session)?.is_none())
}

/// Makes a folder for its owner alone, if there is none.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Locks a session's folder; `None`: the session lives.
pub fn lock(session: &Path) -> io::Result<Option<Flock<File>>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(session.join(LOCK))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

fn has_staged(session: &Path) -> bool {
    fs::read_dir(session).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| !PASSING.iter().any(|it| entry.file_name() == *it))
        })
    })
}

fn remove_if_empty(session: &Path) {
    if !has_staged(session) {
        // It may be somebody else's by now.
        for name in PASSING {
            let _ = fs::remove_file(session.join(name));
        }
        let _ = fs::remove_dir(session);
    }
}

#[cfg(test)]
mod tests;
