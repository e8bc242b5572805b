//! What a replica wants its disk to do.

use bytes::Bytes;

use crate::RegionIndex;
use crate::chunk::Chunk;
use crate::format::{DirtyLogRecord, MissedLogRecord, PromiseRecord};
use crate::message::{ExtentFile, ReplicaError};
use crate::sums::SumsPage;

/// Tells a replica's disk operations apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskOpId(pub u64);

/// The sums of a region, as its extent's file is to have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionSums {
    /// The extent.
    pub file: ExtentFile,
    /// The region.
    pub region: RegionIndex,
    /// Its sums.
    pub page: Box<SumsPage>,
}

/// One operation on a volume's files. Offsets are in bytes from the start of the extent.
///
/// Operations that share a block are never under way together, except `Verify`, and a region is only summed anew
/// while nothing else touches it. A region's sums are stored by one operation at a time, while others may change
/// its blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskOp {
    /// Read `expected.len()` blocks, and answer them only if they match.
    Read {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// The blocks' sums.
        expected: Vec<u32>,
    },
    /// Write, and answer the new sums: the file gets them later.
    Write {
        /// Where.
        file: ExtentFile,
        /// First byte.
        offset: u32,
        /// The bytes.
        data: Bytes,
        /// Answer only when the data is durable.
        durable: bool,
        /// If the first block is not covered whole: its sum, to be checked before merging (V10).
        first: Option<u32>,
        /// The same of the last block, if that is another one.
        last: Option<u32>,
    },
    /// Read `sums.len()` blocks as they are, [packed](Chunk::pack): one that does not match its
    /// sum is no reason to fail.
    Fetch {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// The blocks' sums.
        sums: Vec<u32>,
    },
    /// Write the blocks that are no holes, where there are only holes.
    Store {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// The blocks. Should one have changed on its way, nothing is written.
        chunk: Chunk,
    },
    /// Read `sums.len()` blocks, and answer what each holds as [digests](crate::digest).
    Digest {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// The blocks' sums.
        sums: Vec<u32>,
    },
    /// Make the blocks what the chunk says, holes among them, whatever they were.
    Replace {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// The blocks. Should one have changed on its way, nothing is written.
        chunk: Chunk,
    },
    /// Make whole blocks zero, and note their sums in the file: after a crash nothing else tells which
    /// of them take space.
    Zero {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// How many bytes, whole blocks.
        length: u32,
        /// Answer only when this is durable.
        durable: bool,
        /// Take space rather than give it back.
        keep: bool,
    },
    /// Read a region's sums.
    LoadSums {
        /// Where.
        file: ExtentFile,
        /// The region.
        region: RegionIndex,
    },
    /// Sum a suspect region anew from what its disk really holds: sync its data, drop it from the
    /// page cache, read it, and write its sums (V8, V10).
    Resum {
        /// Where.
        file: ExtentFile,
        /// The region.
        region: RegionIndex,
        /// Its sums as far as they are known; else those in the file, and what the file system holds
        /// beside them.
        before: Option<Box<SumsPage>>,
        /// What is known to be damaged of it. What still holds the same stays so.
        damaged: Vec<BadBlock>,
    },
    /// Compare what the disk really holds of a region with its sums, without keeping it in the page
    /// cache. Others may change the region meanwhile.
    Verify {
        /// Where.
        file: ExtentFile,
        /// The region.
        region: RegionIndex,
        /// Its sums, if they are known; else those in the file.
        expected: Option<Box<SumsPage>>,
    },
    /// Make the data of these extents durable, in parallel.
    Sync {
        /// The extents; one that is not there any more is passed over.
        files: Vec<ExtentFile>,
    },
    /// Write these sums; one whose extent is not there any more is passed over. They need not be durable.
    StoreSums {
        /// The sums.
        pages: Vec<RegionSums>,
    },
    /// Write these sums and the header pages, then make data and sums of these extents durable.
    Settle {
        /// The extents, each with the blocks that take space.
        files: Vec<(ExtentFile, u32)>,
        /// Sums of some of their regions.
        pages: Vec<RegionSums>,
    },
    /// Write the dirty log durably into its slot.
    WriteLog(DirtyLogRecord),
    /// Write the missed log durably into its slot.
    WriteMissed(MissedLogRecord),
    /// Write the promise durably into its slot.
    WritePromise(PromiseRecord),
    /// Unlink the extent's files.
    Remove {
        /// The extent.
        file: ExtentFile,
    },
}

/// How an operation ended.
pub type DiskResult = Result<DiskAnswer, DiskFault>;

/// What an operation found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskAnswer {
    /// Nothing to say.
    Done,
    /// Of `Read`: the blocks; of `Fetch`: the chunk; of `Digest`: the digests.
    Data(Bytes),
    /// Of `Write`, `Zero`, `Store` and `Replace`: the sums of the blocks as they are now.
    Sums(Vec<u32>),
    /// Of `Verify`.
    Verified {
        /// How many blocks take space, and were read.
        blocks: u32,
        /// Those that do not match, or cannot be read.
        damaged: Vec<BadBlock>,
    },
    /// Of `LoadSums`.
    Page {
        /// The region's sums.
        page: Box<SumsPage>,
    },
    /// Of `Resum`.
    Summed {
        /// The region's sums now.
        page: Box<SumsPage>,
        /// How many blocks took space before.
        before: u32,
        /// Blocks whose last write the disk lost. Their sums do not match.
        lost: Vec<BadBlock>,
    },
}

/// A block that does not match its sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBlock {
    /// Counted from the start of the extent.
    pub block: u32,
    /// The sum of what is there, [`HOLE`](crate::sums::HOLE) if that cannot be read.
    pub found: u32,
}

/// Why an operation failed. A failed write may have happened in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// A block does not match its sum; nothing was changed.
    Corrupt(BadBlock),
    /// The file system is full.
    NoSpace,
    /// The process has no descriptor or memory left to open a file; nothing was changed.
    Exhausted,
    /// The disk reported an error.
    Io,
    /// A sync failed: what was written is lost or not, nobody knows (V8).
    Sync,
}

impl DiskFault {
    pub(super) fn to_replica(self) -> ReplicaError {
        match self {
            Self::Corrupt(_) => ReplicaError::Corrupt,
            Self::NoSpace => ReplicaError::NoSpace,
            Self::Exhausted => ReplicaError::Exhausted,
            Self::Io | Self::Sync => ReplicaError::Disk,
        }
    }
}
