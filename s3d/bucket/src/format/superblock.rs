//! The superblock: what must be known before the index can be read.
//!
//! One block, in two slots written in turn, so that a torn write leaves the older one. Integers
//! are little-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `HRBUCKET` |
//! | 8 | 4 | format version, 2 |
//! | 12 | 4 | CRC32C of the block with this field zero |
//! | 16 | 16 | the bucket's id |
//! | 32 | 8 | generation: the slot with the greater one counts |
//! | 40 | 8 | epoch of the owner that wrote it |
//! | 48 | 8 | length of what the first half of the index zone may hold |
//! | 56 | 8 | the same of the second half |
//! | 64 | 8 | append high-water mark: nothing was ever written at or above it (B8) |
//! | 72 | 8 | the half that holds the index, 0 or 1; its length is exact and never 0 (B9) |
//! | 80 | 56 | a position from which the log is whole (see `log/position.rs`); zero in a new bucket |
//! | 136 | … | zero |

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;
use volumed_client::{BlockDevice, DeviceError, Durability};

use crate::errors::OpenError;
use crate::format::crc::crc32c;
use crate::format::layout::{BLOCK, SUPERBLOCK_SLOTS};

/// Names a bucket for ever, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(pub u128);

const MAGIC: &[u8; 8] = b"HRBUCKET";
const VERSION: u32 = 2;

/// Length of an encoded position of the log.
pub const POSITION: usize = 56;

/// The fields of a superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    pub bucket: BucketId,
    pub generation: u64,
    pub epoch: u64,
    /// By half of the index zone, the length of what it may hold.
    pub index_lengths: [u64; 2],
    pub mark: u64,
    /// The half that holds the index.
    pub index_half: usize,
    /// A position from which the log is whole, for an index that has to be built anew.
    pub log_from: [u8; POSITION],
}

impl Fields {
    fn encode(&self) -> Bytes {
        let mut block = vec![0; BLOCK as usize];
        block[0..8].copy_from_slice(MAGIC);
        block[8..12].copy_from_slice(&VERSION.to_le_bytes());
        block[16..32].copy_from_slice(&self.bucket.0.to_le_bytes());
        for (at, value) in [
            (32, self.generation),
            (40, self.epoch),
            (48, self.index_lengths[0]),
            (56, self.index_lengths[1]),
            (64, self.mark),
            (72, self.index_half as u64),
        ] {
            block[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        block[80..80 + POSITION].copy_from_slice(&self.log_from);
        let crc = crc32c(&block);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        block.into()
    }

    pub fn decode(block: &[u8]) -> Slot {
        if block.iter().all(|byte| *byte == 0) {
            return Slot::Empty;
        }
        let word = |at: usize| u64::from_le_bytes(block[at..at + 8].try_into().expect("8 bytes"));
        let half = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().expect("4 bytes"));
        let mut summed = block.to_vec();
        summed[12..16].fill(0);
        if &block[0..8] != MAGIC || half(12) != crc32c(&summed) {
            return Slot::Damaged;
        }
        if half(8) != VERSION {
            return Slot::Version(half(8));
        }
        if word(72) > 1 {
            return Slot::Damaged;
        }
        Slot::Whole(Self {
            bucket: BucketId(u128::from_le_bytes(
                block[16..32].try_into().expect("16 bytes"),
            )),
            generation: word(32),
            epoch: word(40),
            index_lengths: [word(48), word(56)],
            mark: word(64),
            index_half: word(72) as usize,
            log_from: block[80..80 + POSITION].try_into().expect("56 bytes"),
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Slot {
    Empty,
    Damaged,
    Version(u32),
    Whole(Fields),
}

/// The superblock of an open bucket; every change is durable when it returns.
pub struct Superblock {
    device: Arc<dyn BlockDevice>,
    fields: Mutex<Fields>,
    /// The fields as the last change left them, for who must not wait for one under way.
    settled: parking_lot::Mutex<Fields>,
    staged: bool,
}

impl Superblock {
    /// Reads the newer whole slot; `None` when the bucket was never made (both are empty).
    pub async fn read(device: &Arc<dyn BlockDevice>) -> Result<Option<Fields>, OpenError> {
        let mut newest: Option<Fields> = None;
        let mut damaged = 0;
        for address in SUPERBLOCK_SLOTS {
            match Fields::decode(&device.read(address, BLOCK as usize).await?) {
                Slot::Empty => {}
                Slot::Damaged => damaged += 1,
                Slot::Version(found) => {
                    return Err(OpenError::Version {
                        found,
                        known: VERSION,
                    });
                }
                Slot::Whole(fields) => {
                    if newest.is_none_or(|other| other.generation < fields.generation) {
                        newest = Some(fields);
                    }
                }
            }
        }
        // A bucket is answered for only after both slots were written: one torn slot beside an
        // empty one is a bucket that was still being made, and nothing was promised to anyone.
        if newest.is_none() && damaged == SUPERBLOCK_SLOTS.len() {
            return Err(OpenError::Superblock);
        }
        Ok(newest)
    }

    /// The superblock of this bucket, which was made.
    pub async fn of(device: Arc<dyn BlockDevice>, bucket: BucketId) -> Result<Self, OpenError> {
        let fields = Self::read(&device).await?.ok_or(OpenError::Superblock)?;
        if fields.bucket != bucket {
            return Err(OpenError::OtherBucket);
        }
        Ok(Self::new(device, fields))
    }

    /// The superblock with `fields`, which may not be on the device yet.
    pub fn new(device: Arc<dyn BlockDevice>, fields: Fields) -> Self {
        Self {
            device,
            fields: Mutex::new(fields),
            settled: parking_lot::Mutex::new(fields),
            staged: false,
        }
    }

    /// The superblock of a bucket that is still being made: changes stay in memory until
    /// [`Superblock::publish`].
    pub fn staged(device: Arc<dyn BlockDevice>, fields: Fields) -> Self {
        Self {
            staged: true,
            ..Self::new(device, fields)
        }
    }

    /// Writes both slots: from here on the bucket exists.
    pub async fn publish(&self) -> Result<(), DeviceError> {
        let mut fields = *self.fields.lock().await;
        for _ in SUPERBLOCK_SLOTS {
            fields.generation += 1;
            let slot = SUPERBLOCK_SLOTS[(fields.generation % 2) as usize];
            self.device
                .write(slot, &[fields.encode()], Durability::Durable)
                .await?;
        }
        Ok(())
    }

    /// The fields as the last change left them.
    pub fn fields(&self) -> Fields {
        *self.settled.lock()
    }

    /// Changes the fields, durably.
    pub async fn change(&self, change: impl FnOnce(&mut Fields) + Send) -> Result<(), DeviceError> {
        let mut fields = self.fields.lock().await;
        let mut next = *fields;
        next.generation += 1;
        change(&mut next);
        if !self.staged {
            let slot = SUPERBLOCK_SLOTS[(next.generation % 2) as usize];
            self.device
                .write(slot, &[next.encode()], Durability::Durable)
                .await?;
        }
        *fields = next;
        *self.settled.lock() = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = Fields {
        bucket: BucketId(7),
        generation: 3,
        epoch: 2,
        index_lengths: [1_581_056, 0],
        mark: 1 << 51,
        index_half: 1,
        log_from: [7; POSITION],
    };

    #[test]
    fn round_trip_and_empty() {
        assert_eq!(Fields::decode(&FIELDS.encode()), Slot::Whole(FIELDS));
        assert_eq!(Fields::decode(&[0; 4096]), Slot::Empty);
    }

    #[test]
    fn any_flipped_bit_is_seen() {
        let block = FIELDS.encode();
        for bit in 0..block.len() * 8 {
            let mut damaged = block.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Fields::decode(&damaged), Slot::Damaged, "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut block = FIELDS.encode().to_vec();
        block[8] = 3;
        block[12..16].fill(0);
        let crc = crc32c(&block);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(Fields::decode(&block), Slot::Version(3));
    }
}
