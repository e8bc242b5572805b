//! The pure core of volumed: events in, effects out. No I/O, no clock, no random numbers.

pub mod chunk;
pub mod digest;
pub mod format;
pub mod head;
mod lost;
pub mod map;
pub mod marks;
pub mod message;
pub mod placement;
pub mod replica;
mod request;
pub mod rules;
pub mod size;
pub mod space;
pub mod sums;
pub mod unflushed;
mod units;
pub mod wire;

pub use lost::LostBlocks;
pub use request::{IoError, Reply, Request};
pub use units::{
    Alloc, BLOCK_SIZE, BLOCKS_PER_EXTENT, BLOCKS_PER_REGION, BlockIndex, ByteCount, DiskId,
    DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, MAX_VOLUME_SIZE, NotAnId,
    REGION_SIZE, REGIONS_PER_EXTENT, RegionIndex, StoreGeneration, StoreId, VolumeId,
};
