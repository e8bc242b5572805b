//! Writing behind: what came from the server is written by a thread of its own, and dropped when that
//! has too much to do. The thread is the only one that changes the folder.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use bytes::Bytes;
use fused_fs::cache::{Version, is_entry_of};
use parking_lot::Mutex;

use super::{Shelf, entries};

/// Most bytes that wait to be written.
const WAITING: u64 = 32 << 20;

/// The thread that writes.
pub struct Writer {
    waiting: Arc<AtomicU64>,
    running: Mutex<Option<(Sender<Job>, JoinHandle<()>)>>,
}

/// Chunks to be kept: whole ones that follow one another.
struct Job {
    version: Version,
    first: u64,
    bytes: Bytes,
}

impl Writer {
    /// Starts it. Before anything else, it finds out what is there.
    pub fn start(shelf: Arc<Shelf>) -> io::Result<Self> {
        let waiting = Arc::new(AtomicU64::new(0));
        let (jobs, queue) = mpsc::channel();
        let done = waiting.clone();
        let thread = std::thread::Builder::new().name("cache".into());
        let thread = thread.spawn(move || write_all(&shelf, &queue, &done))?;
        Ok(Self {
            waiting,
            running: Mutex::new(Some((jobs, thread))),
        })
    }

    /// Writes chunks some time later, or never. Does not block.
    pub fn write(&self, version: Version, first: u64, bytes: Bytes) {
        let length = bytes.len() as u64;
        if self.waiting.load(Ordering::Relaxed) + length > WAITING {
            return;
        }
        let running = self.running.lock();
        if let Some((jobs, _)) = &*running {
            self.waiting.fetch_add(length, Ordering::Relaxed);
            // It is gone if it panicked, and nothing is kept any more.
            let _ = jobs.send(Job {
                version,
                first,
                bytes,
            });
        }
    }

    /// Writes what waits, and ends.
    pub fn close(&self) {
        let running = self.running.lock().take();
        if let Some((jobs, thread)) = running {
            drop(jobs);
            let _ = thread.join();
        }
    }
}

fn write_all(shelf: &Shelf, queue: &Receiver<Job>, waiting: &AtomicU64) {
    if let Err(error) = shelf.scan() {
        shelf.warn("it cannot be read", &error);
    }
    for job in queue {
        if let Err(error) = shelf.keep(&job) {
            shelf.warn("it cannot be written", &error);
        }
        waiting.fetch_sub(job.bytes.len() as u64, Ordering::Relaxed);
    }
}

impl Shelf {
    /// Writes the chunks of a job, in place of what is there.
    fn keep(&self, job: &Job) -> io::Result<()> {
        let version = &job.version;
        let mut opened = None;
        let mut chunk = job.first;
        let mut rest = job.bytes.clone();
        while !rest.is_empty() {
            let part = rest.split_to((version.length(chunk) as usize).min(rest.len()));
            let room = self.kept.lock().make_room(version.name, part.len() as u64);
            let Some(removed) = room else {
                return Ok(());
            };
            for other in removed {
                self.remove(&other);
            }
            let file = match opened.take() {
                Some(file) => file,
                None => self.open(version)?,
            };
            self.keep_chunk(&file, version, chunk, &part)?;
            opened = Some(file);
            chunk += 1;
        }
        Ok(())
    }

    fn open(&self, version: &Version) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(self.path(&version.name))?;
        if file.metadata()?.len() == 0 {
            // Somebody else may have removed it.
            self.kept.lock().gone(version.name);
        }
        file.write_all_at(&version.head(), 0)?;
        Ok(file)
    }

    fn keep_chunk(
        &self,
        file: &File,
        version: &Version,
        chunk: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let before = entries(file, version, &(chunk..chunk + 1))?;
        file.write_all_at(bytes, version.data_at(chunk))?;
        file.write_all_at(&version.entry(chunk, bytes), version.entry_at(chunk))?;
        let known = before.iter().all(|entry| is_entry_of(entry));
        let more = if known { 0 } else { bytes.len() as u64 };
        self.kept.lock().added(version.name, more);
        Ok(())
    }
}
