//! Ids and units: every number of the volume daemon has a type that says what it counts.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A number of bytes.
    ByteCount(u64)
);
number!(
    /// Fences heads (V1): grows with every attach; 0 before the first.
    Epoch(u64)
);
number!(
    /// Counts the starts on a metadata store: one that was rolled back is behind its disks, and so
    /// is a disk that was.
    StoreGeneration(u64)
);
number!(
    /// Names a time in which a disk lost nothing (V7): drawn at random when its machine booted, its
    /// file system was mounted, or a sync failed. Only equality counts.
    Incarnation(u64)
);
number!(
    /// A disk's short name in placement records, given when the disk joins the pool.
    DiskNumber(u16)
);
number!(
    /// The store's revision read before an extent was placed: tells an extent's files from those
    /// of any earlier extent at the same index (V11).
    Alloc(u64)
);
number!(
    /// The n-th 64 MiB of a volume.
    ExtentIndex(u64)
);
number!(
    /// The n-th 4 MiB of a volume.
    RegionIndex(u64)
);
number!(
    /// The n-th 4 KiB of a volume.
    BlockIndex(u64)
);

/// Names a volume for ever: never used again, also after the volume is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u64);

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{:08x}", self.0)
    }
}

/// The text does not name a volume, disk or store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

impl std::str::FromStr for VolumeId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let id = text
            .strip_prefix('v')
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(VolumeId)
            .ok_or(NotAnId)?;
        // One text for one id, or two folders could claim the same volume.
        (id.to_string() == text).then_some(id).ok_or(NotAnId)
    }
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let id = u128::from_str_radix(text, 16)
                    .map(Self)
                    .map_err(|_| NotAnId)?;
                (id.to_string() == text).then_some(id).ok_or(NotAnId)
            }
        }
    };
}

random_id!(
    /// Names a disk for ever; drawn at random when the disk joins the pool.
    DiskId
);
random_id!(
    /// Names a metadata store for ever; drawn at random at its first start.
    StoreId
);

/// Bytes of a block, the unit of checksums and of space.
pub const BLOCK_SIZE: u64 = 4 << 10;
/// Bytes of a region, the unit of the dirty log.
pub const REGION_SIZE: u64 = 4 << 20;
/// Bytes of an extent, the unit of placement.
pub const EXTENT_SIZE: u64 = 64 << 20;
/// Blocks of a region.
pub const BLOCKS_PER_REGION: usize = (REGION_SIZE / BLOCK_SIZE) as usize;
/// Blocks of an extent.
pub const BLOCKS_PER_EXTENT: u32 = (EXTENT_SIZE / BLOCK_SIZE) as u32;
/// Regions of an extent.
pub const REGIONS_PER_EXTENT: u64 = EXTENT_SIZE / REGION_SIZE;
/// The largest virtual size of a volume: 1 EiB.
pub const MAX_VOLUME_SIZE: ByteCount = ByteCount(1 << 60);

impl ExtentIndex {
    /// The extent that holds the byte at `offset` of the volume.
    pub fn of(offset: u64) -> Self {
        Self(offset / EXTENT_SIZE)
    }

    /// The volume's offset of the extent's first byte.
    pub fn start(self) -> u64 {
        self.0 * EXTENT_SIZE
    }
}

impl RegionIndex {
    /// The region that holds the byte at `offset` of the volume.
    pub fn of(offset: u64) -> Self {
        Self(offset / REGION_SIZE)
    }

    /// The extent that the region is part of.
    pub fn extent(self) -> ExtentIndex {
        ExtentIndex(self.0 / REGIONS_PER_EXTENT)
    }
}

#[cfg(test)]
mod tests {
    use super::{DiskId, VolumeId};

    #[test]
    fn an_id_has_one_text() {
        assert_eq!("v0000002a".parse(), Ok(VolumeId(42)));
        assert!("v2a".parse::<VolumeId>().is_err());
        assert!("v+000002a".parse::<VolumeId>().is_err());
        assert!("2a".parse::<DiskId>().is_err());
        let id = DiskId(77);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
