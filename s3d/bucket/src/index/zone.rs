//! A half of the index zone as redb sees it (B9).
//!
//! The length is exact and never 0 for a bucket that exists. Growth is durable in the superblock
//! before redb can write behind the old end; shrinking becomes durable with the next sync, and
//! what was cut off is TRIMmed after that. `write` only queues; `sync_data` sends the queue, waits
//! for every answer and flushes. The first failure latches until the index is opened anew.
//!
//! Reading goes without the daemon where it can (V14): what a fold visits is all over the index, page
//! by page.
//!
//! redb's calls block their thread on the device, so they must never run on a thread that the
//! device's own I/O needs.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::try_join_all;
use parking_lot::{Mutex, MutexGuard};
use redb::StorageBackend;
use volumed_client::{BlockDevice, DeviceError, Durability, Session};

use crate::format::layout::INDEX_HALVES;
use crate::format::superblock::Superblock;
use crate::index::sums::BlockSums;
use crate::rules::{Rule, kept};

/// The queue is sent when it holds this many bytes, to bound memory.
const MAX_QUEUED: usize = 4 << 20;

/// One write to the device is at most this long.
const MAX_WRITE: usize = 1 << 20;

pub struct IndexZone {
    device: Arc<dyn BlockDevice>,
    superblock: Arc<Superblock>,
    /// Which half of the zone this is.
    half: usize,
    length: AtomicU64,
    /// Held by whoever changes the queue or sends it; readers do without.
    writer: Mutex<()>,
    queue: Mutex<Queue>,
    sums: BlockSums,
    failure: Arc<OnceLock<DeviceError>>,
    interruption: Arc<OnceLock<Interruption>>,
}

/// Why writing to the index failed, when opening it again is all that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// A connection broke before the flush that should have covered what was written on it (B5).
    Reconnected,
    /// The pool is full.
    NoSpace,
}

#[derive(Default)]
struct Queue {
    /// Writes that were not sent, by offset; none overlaps another.
    writes: BTreeMap<u64, Bytes>,
    bytes: usize,
    /// Taken before the first write or trim that no sync covers.
    session: Option<Session>,
    /// The greatest length since the last sync, when the index is shorter now.
    shrunk_from: Option<u64>,
}

impl Queue {
    /// The queued writes that touch `offset..offset + length`.
    fn touching(&self, offset: u64, length: usize) -> impl Iterator<Item = (&u64, &Bytes)> {
        self.writes
            .range(..offset + length as u64)
            .rev()
            .take_while(move |(at, data)| **at + data.len() as u64 > offset)
    }
}

/// Joins writes that follow each other without a gap, up to [`MAX_WRITE`].
fn merge_adjacent(writes: &BTreeMap<u64, Bytes>) -> Vec<(u64, Vec<Bytes>)> {
    let mut merged: Vec<(u64, Vec<Bytes>)> = Vec::new();
    let mut end = None;
    let mut length = 0;
    for (&offset, data) in writes {
        let data = data.clone();
        let after = offset + data.len() as u64;
        length += data.len();
        match merged.last_mut() {
            Some((_, pieces)) if end == Some(offset) && length <= MAX_WRITE => pieces.push(data),
            _ => {
                length = data.len();
                merged.push((offset, vec![data]));
            }
        }
        end = Some(after);
    }
    merged
}

impl IndexZone {
    /// `length`: the half's length as the superblock has it, 0 to make a new index.
    pub fn new(
        device: Arc<dyn BlockDevice>,
        superblock: Arc<Superblock>,
        half: usize,
        length: u64,
    ) -> Self {
        Self {
            device,
            superblock,
            half,
            length: AtomicU64::new(length),
            writer: Mutex::new(()),
            queue: Mutex::default(),
            sums: BlockSums::default(),
            failure: Arc::default(),
            interruption: Arc::default(),
        }
    }

    /// What made writing fail, if that passes.
    pub fn interruption(&self) -> Arc<OnceLock<Interruption>> {
        self.interruption.clone()
    }

    /// The first failure, which latches.
    pub fn failure(&self) -> Arc<OnceLock<DeviceError>> {
        self.failure.clone()
    }

    fn start(&self) -> u64 {
        INDEX_HALVES[self.half].start
    }

    fn latch<T>(&self, result: Result<T, DeviceError>) -> io::Result<T> {
        result.map_err(|error| {
            self.failure.get_or_init(|| error);
            if error == DeviceError::NoSpace {
                self.interruption.get_or_init(|| Interruption::NoSpace);
            }
            io::Error::other(error)
        })
    }

    fn check(&self) -> io::Result<()> {
        match self.failure.get() {
            Some(error) => Err(io::Error::other(*error)),
            None => Ok(()),
        }
    }

    /// Sends the queue and waits for every answer. Until then the queue keeps what it sends, and
    /// serves it to readers.
    fn send(&self, _writer: &MutexGuard<'_, ()>) -> io::Result<()> {
        let writes = merge_adjacent(&self.queue.lock().writes);
        self.note_session();
        let sends = writes.iter().map(|(offset, pieces)| {
            self.device
                .write(self.start() + offset, pieces, Durability::Volatile)
        });
        self.latch(block_on(try_join_all(sends)))?;
        let mut queue = self.queue.lock();
        queue.writes.clear();
        queue.bytes = 0;
        Ok(())
    }

    fn note_session(&self) -> Session {
        let mut queue = self.queue.lock();
        *queue.session.get_or_insert_with(|| self.device.session())
    }

    fn sync(&self, writer: &MutexGuard<'_, ()>) -> io::Result<()> {
        self.send(writer)?;
        let flushed = if kept(Rule::IndexFlush) {
            block_on(self.device.flush(self.note_session()))
        } else {
            Ok(())
        };
        if flushed == Err(DeviceError::Disconnected) {
            self.interruption.get_or_init(|| Interruption::Reconnected);
        }
        self.latch(flushed)?;
        let shrunk_from = {
            let mut queue = self.queue.lock();
            queue.session = None;
            queue.shrunk_from.take()
        };
        if let Some(old) = shrunk_from {
            self.note_session();
            let length = self.length.load(Ordering::Acquire);
            self.store_length(length)?;
            self.latch(block_on(
                self.device.trim(self.start() + length, old - length),
            ))?;
        }
        Ok(())
    }

    fn store_length(&self, length: u64) -> io::Result<()> {
        self.latch(block_on(
            self.superblock
                .change(|fields| fields.index_lengths[self.half] = length),
        ))
    }
}

impl StorageBackend for IndexZone {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length.load(Ordering::Acquire))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check()?;
        let end = offset + out.len() as u64;
        if end > self.length.load(Ordering::Acquire) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let queued = {
            let queue = self.queue.lock();
            queue
                .touching(offset, out.len())
                .next()
                .map(|(at, data)| (*at, data.clone()))
        };
        if let Some((at, data)) = queued {
            if at <= offset && end <= at + data.len() as u64 {
                let from = (offset - at) as usize;
                out.copy_from_slice(&data[from..from + out.len()]);
                return Ok(());
            }
            self.send(&self.writer.lock())?;
        }
        let address = self.start() + offset;
        if self.sums.know(offset, out.len())
            && self.device.read_unchecked_blocking(address, out)
            && self.sums.match_all(offset, out)
        {
            return Ok(());
        }
        let read = self.latch(block_on(self.device.read(address, out.len())))?;
        out.copy_from_slice(&read);
        self.sums.read_checked(offset, out);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check()?;
        if self.start() + length > INDEX_HALVES[self.half].end {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let writer = self.writer.lock();
        let old = self.length.load(Ordering::Acquire);
        if length < old {
            let mut queue = self.queue.lock();
            queue.writes.retain(|at, _| *at < length);
            queue.shrunk_from = Some(queue.shrunk_from.unwrap_or(old));
            self.sums.truncate(length);
        } else if length > old {
            if self.queue.lock().shrunk_from.is_some() {
                // What was cut off must read zero when the index grows over it again.
                self.sync(&writer)?;
            }
            self.store_length(length)?;
        }
        self.length.store(length, Ordering::Release);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.sync(&self.writer.lock())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        let writer = self.writer.lock();
        let overlaps = {
            let queue = self.queue.lock();
            let same = queue
                .writes
                .get(&offset)
                .is_some_and(|queued| queued.len() == data.len());
            !same && queue.touching(offset, data.len()).next().is_some()
        };
        if overlaps {
            self.send(&writer)?;
        }
        self.sums.written(offset, data);
        let queued = {
            let mut queue = self.queue.lock();
            queue.bytes += data.len();
            queue.writes.insert(offset, Bytes::copy_from_slice(data));
            queue.bytes
        };
        if queued > MAX_QUEUED {
            self.send(&writer)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for IndexZone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("IndexZone")
            .field("half", &self.half)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
