//! The pure core of volumed: events in, effects out. No I/O, no clock, no random numbers.

pub mod chunk;
pub mod digest;
pub mod format;
pub mod head;
mod lost;
pub mod map;
pub mod marks;
pub mod message;
pub mod missed;
pub mod placement;
mod region_set;
pub mod replica;
mod request;
pub mod rules;
pub mod space;
pub mod sums;
pub mod unflushed;
pub mod unfound;
mod units;
pub mod wire;

pub use lost::LostBlocks;
pub use region_set::RegionSet;
pub use request::{IoError, Reply, Request};
pub use units::{
    Alloc, BLOCK_SIZE, BLOCKS_PER_EXTENT, BLOCKS_PER_REGION, BlockIndex, ByteCount, DiskId,
    DiskNumber, EXTENT_SIZE, Epoch, ExtentIndex, Incarnation, MAX_VOLUME_SIZE, NotAnId,
    REGION_SIZE, REGIONS_PER_EXTENT, RegionIndex, StoreGeneration, StoreId, VolumeId,
};
pub use volumed_size as size;
