//! A bucket on a device in memory.

mod appends;
mod bodies;
mod copies;
mod full_pool;
mod groups;
mod multipart;
mod prefixes;
mod reads;
mod renames;
mod trims;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use volumed_client::{DeviceError, Durability, Session};

use super::*;
use crate::attributes::Attributes;
use crate::condition::Condition;
use crate::format::layout::{BLOCK, DATA_ZONE, LOG_RESERVE, SUPERBLOCK_SLOTS};
use crate::format::superblock::BucketId;
use crate::index::reader::Reader;
use crate::object::{Key, Object};
use crate::requests::Body;

/// A device in memory that holds nothing but what was written.
#[derive(Default)]
pub struct Sparse {
    blocks: Mutex<BTreeMap<u64, Box<[u8]>>>,
    pub trimmed: Mutex<u64>,
    /// Writes of data are refused until the reserve is given up.
    pub full: AtomicBool,
    /// How many blocks it holds at most, if that is bounded.
    pub capacity: Option<usize>,
    /// Writes of the superblock find no room.
    pub full_superblock: AtomicBool,
    /// The next durable write waits for a permit, those behind it do not.
    pub held: Mutex<Option<Arc<Semaphore>>>,
    /// Durable writes of data that were made.
    pub durable: AtomicU64,
    /// Flushes wait while this has no permit, but not for ever: redb flushes when its file grows, too, and
    /// holds up those who begin to read.
    pub flushes: Option<Semaphore>,
    /// How often its connection broke.
    pub breaks: AtomicU64,
    /// Reads that are checked.
    pub reads: Mutex<u64>,
    /// What becomes of bytes that are read unchecked; none are without it.
    pub unchecked: Mutex<Option<Spoil>>,
    /// Memory has none of them.
    pub uncached: AtomicBool,
}

/// Makes something else of bytes.
pub type Spoil = fn(Bytes) -> Bytes;

impl Sparse {
    /// Another device that holds the same.
    pub fn snapshot(&self) -> Self {
        Self {
            blocks: Mutex::new(self.blocks.lock().clone()),
            ..Self::default()
        }
    }

    /// Loses the block that was written to the greatest address.
    pub fn lose_last_block(&self) {
        self.blocks.lock().pop_last().expect("a block was written");
    }

    /// Blocks that take space.
    pub fn used(&self) -> usize {
        self.blocks.lock().len()
    }

    fn stored(&self, offset: u64, length: usize) -> Bytes {
        let first = offset / BLOCK;
        let end = (offset + length as u64).div_ceil(BLOCK);
        let mut bytes = BytesMut::zeroed(((end - first) * BLOCK) as usize);
        for (block, held) in self.blocks.lock().range(first..end) {
            let at = ((block - first) * BLOCK) as usize;
            bytes[at..at + held.len()].copy_from_slice(held);
        }
        let within = (offset % BLOCK) as usize;
        bytes.freeze().slice(within..within + length)
    }
}

#[async_trait]
impl BlockDevice for Sparse {
    fn size(&self) -> u64 {
        1 << 60
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        *self.reads.lock() += 1;
        Ok(self.stored(offset, length))
    }

    async fn read_unchecked(&self, offset: u64, length: usize) -> Option<Bytes> {
        let spoil = (*self.unchecked.lock())?;
        Some(spoil(self.stored(offset, length)))
    }

    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let spoil = (*self.unchecked.lock()).filter(|_| !self.uncached.load(Ordering::Relaxed))?;
        Some(spoil(self.stored(offset, length)))
    }

    fn read_unchecked_blocking(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let Some(spoil) = *self.unchecked.lock() else {
            return false;
        };
        let read = spoil(self.stored(offset, bytes.len()));
        bytes[..read.len()].copy_from_slice(&read);
        read.len() == bytes.len()
    }

    async fn write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<(), DeviceError> {
        if durability == Durability::Durable {
            let held = self.held.lock().take();
            if let Some(held) = held {
                drop(held.acquire().await);
            }
        }
        let full = self.full.load(Ordering::Relaxed) && offset >= DATA_ZONE;
        let full_superblock =
            self.full_superblock.load(Ordering::Relaxed) && SUPERBLOCK_SLOTS.contains(&offset);
        if full || full_superblock {
            return Err(DeviceError::NoSpace);
        }
        if durability == Durability::Durable && offset >= DATA_ZONE {
            self.durable.fetch_add(1, Ordering::Relaxed);
        }
        let bytes = pieces.concat();
        let mut blocks = self.blocks.lock();
        let reached = offset / BLOCK..(offset + bytes.len() as u64).div_ceil(BLOCK);
        let holes = reached.clone().count() - blocks.range(reached).count();
        if self
            .capacity
            .is_some_and(|most| blocks.len() + holes > most)
        {
            return Err(DeviceError::NoSpace);
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let within = (at % BLOCK) as usize;
            let length = (bytes.len() - done).min(BLOCK as usize - within);
            let block = blocks
                .entry(at / BLOCK)
                .or_insert_with(|| vec![0; BLOCK as usize].into());
            block[within..within + length].copy_from_slice(&bytes[done..done + length]);
            done += length;
        }
        Ok(())
    }

    fn session(&self) -> Session {
        Session(self.breaks.load(Ordering::Relaxed))
    }

    async fn flush(&self, since: Session) -> Result<(), DeviceError> {
        if since != self.session() {
            return Err(DeviceError::Disconnected);
        }
        if let Some(flushes) = &self.flushes {
            // A flush is asked for on a thread of its own, and the clock of the test stands still.
            let tries = (0..200).map(|_| std::thread::sleep(std::time::Duration::from_millis(10)));
            let _ = tries
                .take_while(|()| flushes.try_acquire().is_err())
                .count();
        }
        Ok(())
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        if LOG_RESERVE.contains(&offset) {
            self.full.store(false, Ordering::Relaxed);
        }
        *self.trimmed.lock() += length;
        let blocks = offset.div_ceil(BLOCK)..(offset + length) / BLOCK;
        let mut held = self.blocks.lock();
        let gone: Vec<u64> = held.range(blocks).map(|it| *it.0).collect();
        for block in gone {
            held.remove(&block);
        }
        Ok(())
    }
}

pub async fn bucket(device: &Arc<Sparse>) -> Bucket {
    open_with(device, Options::new(1)).await
}

/// Makes the bucket, or opens it, on the caller's thread.
pub async fn open_with(device: &Arc<Sparse>, options: Options) -> Bucket {
    let devices = Devices {
        data: device.clone(),
        index: device.clone(),
    };
    let options = Options {
        offload: Offload::Inline,
        ..options
    };
    Bucket::create(devices, BucketId(1), options).await.unwrap()
}

pub fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// Puts `length` bytes, each its place in them, as the front does.
pub async fn put(bucket: &Bucket, name: &str, length: usize) -> Object {
    let mut writer = bucket.writer(Some(length as u64));
    writer.write(pattern(length)).await.unwrap();
    let body: Body = writer.finish().await.unwrap();
    let (attributes, condition) = (Attributes::default(), Condition::default());
    let stored = bucket.put(key(name), attributes, body, condition).await;
    stored.unwrap().object
}

pub fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at / 3) as u8).collect()
}

pub async fn read(bucket: &Bucket, name: &str) -> Bytes {
    let found = bucket.find(&key(name)).await.unwrap().unwrap();
    let mut reader = bucket.read(&found, 0..found.size);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = reader.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    bytes.freeze()
}

pub async fn rows(bucket: &Bucket, table: Table) -> usize {
    let count = move |reader: &Reader| {
        let mut cursor = reader.cursor(table).unwrap();
        let mut count = 0;
        while cursor.next().unwrap().is_some() {
            count += 1;
        }
        Ok(count)
    };
    bucket.shared.index.read(count).await.unwrap()
}
