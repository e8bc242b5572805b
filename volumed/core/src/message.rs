//! What a head and a replica say to each other. Volume, disk and epoch are in every message (V12), and
//! so is the disk's incarnation (V7). Each has a bounded size: [`MOST_DATA`], [`MOST_LISTED`].

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::missed::MissedByDisk;
use crate::{Alloc, DiskNumber, Epoch, ExtentIndex, Incarnation, RegionIndex, VolumeId};

/// The most bytes that a write, or the answer to a read, carries: what is longer is asked for in
/// several messages.
pub const MOST_DATA: u32 = 1 << 20;

/// The most extents or regions that a message lists.
pub const MOST_LISTED: usize = 1 << 16;

/// Tells a head's operations apart; grows, so it also tells their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// From a head to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose replica.
    pub volume: VolumeId,
    /// On which disk.
    pub disk: DiskNumber,
    /// The one that answered the head's promise: one that began later has lost what was not flushed,
    /// and must not be taken for it (V7). A promise asks for it, and goes to any.
    pub incarnation: Incarnation,
    /// The head's.
    pub epoch: Epoch,
    /// Named again by the answer.
    pub op: OpId,
    /// What to do.
    pub ask: Ask,
}

/// One extent's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentFile {
    /// The extent.
    pub extent: ExtentIndex,
    /// When it was placed.
    pub alloc: Alloc,
}

/// What a head asks of a replica. Offsets are in bytes from the start of the extent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Durably promise the message's epoch (V1). The answer says which regions are
    /// [marked](crate::marks), once nothing of an older head is under way.
    Promise,
    /// Hold what the store places on the disk of the extents from `from` to before `until`, or to the
    /// last one, and nothing else of them: what a fenced head placed or freed and did not come to
    /// tell is made up for. Follows the promise, before anything else. The answer says whose files were
    /// [not found](crate::unfound).
    Reconcile {
        /// The first extent.
        from: ExtentIndex,
        /// The first one that another such message tells of.
        until: Option<ExtentIndex>,
        /// At most 1,024.
        held: BTreeSet<ExtentFile>,
    },
    /// Read checked bytes.
    Read {
        /// Where.
        file: ExtentFile,
        /// First byte.
        offset: u32,
        /// How many bytes.
        length: u32,
    },
    /// Tell which bytes take space.
    Map {
        /// Where.
        file: ExtentFile,
        /// First byte.
        offset: u32,
        /// How many bytes.
        length: u32,
    },
    /// Tell how many of the blocks that these bytes touch take no space.
    Holes {
        /// Where.
        file: ExtentFile,
        /// First byte.
        offset: u32,
        /// How many bytes.
        length: u32,
    },
    /// Grant the head blocks of the disk's space, before it sends what needs them (V12): `most` of
    /// them, or as many as there are. The answer says how many are granted now.
    Grant {
        /// To have so many more, others are asked to give back what they do not need.
        least: u64,
        /// No more than so many more.
        most: u64,
    },
    /// Take granted blocks back.
    GiveBack {
        /// How many.
        blocks: u64,
    },
    /// Tell which extents hold nothing, and surely nothing: at most 1,024 of them.
    Empty,
    /// Write bytes; the region is marked dirty (V5).
    Write {
        /// Where.
        file: ExtentFile,
        /// First byte.
        offset: u32,
        /// The bytes.
        data: Bytes,
        /// Answer only when they are durable.
        durable: bool,
        /// They are zeroes that need not be written where there is a hole.
        clear: bool,
    },
    /// Make whole blocks zero; the region is marked dirty (V5).
    Zero {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// How many bytes, whole blocks.
        length: u32,
        /// Answer only when this is durable.
        durable: bool,
        /// Take space for the blocks rather than give it back.
        keep: bool,
    },
    /// The files of a copy are there, and empty. It counts for nothing until the extent is
    /// [adopted](Self::Adopt).
    Receive {
        /// The extent.
        file: ExtentFile,
    },
    /// Read whole blocks as they are, damaged or not, as a [chunk](crate::chunk).
    Fetch {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// How many bytes, whole blocks, at most [`CHUNK_SIZE`](crate::chunk::CHUNK_SIZE).
        length: u32,
    },
    /// Write what was fetched elsewhere where there are only holes. Of a copy, which nothing relies
    /// on before it is settled: nothing is marked.
    Store {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// How many bytes, whole blocks.
        length: u32,
        /// What was answered to the fetch.
        chunk: Bytes,
    },
    /// Tell what whole blocks hold, as [digests](crate::digest): replicas whose digests of a block are
    /// equal hold the same.
    Digest {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// How many bytes, whole blocks, at most a region.
        length: u32,
    },
    /// Make whole blocks what was fetched elsewhere, holes among them; the region is marked dirty (V5).
    Replace {
        /// Where.
        file: ExtentFile,
        /// First byte, on a block.
        offset: u32,
        /// How many bytes, whole blocks.
        length: u32,
        /// What was answered to the fetch.
        chunk: Bytes,
    },
    /// Make every answered write of these extents durable.
    Sync {
        /// The extents.
        extents: BTreeSet<ExtentIndex>,
    },
    /// Note durably that these regions may change (V5).
    Mark {
        /// The regions.
        regions: BTreeSet<RegionIndex>,
    },
    /// Make data and sums of these regions durable, so that they can be unmarked.
    Settle {
        /// The regions.
        regions: BTreeSet<RegionIndex>,
    },
    /// Note durably that these regions are clean; they were settled and not written since. One that
    /// the replica could not settle stays noted.
    Unmark {
        /// The regions.
        regions: BTreeSet<RegionIndex>,
    },
    /// Tell what other disks [missed](crate::missed), by the missed log, which counts under this head from now
    /// on.
    Missed,
    /// Keep just this, durably, and from now on every region that is unmarked beside it: what other disks
    /// [missed](crate::missed).
    KeepMissed {
        /// Within the [bound](crate::missed::bound).
        missed: MissedByDisk,
    },
    /// The files of a newly placed extent are there, and empty; or what was received is all there.
    Adopt {
        /// The extent.
        file: ExtentFile,
    },
    /// The extent's record was removed: forget and unlink it.
    Remove {
        /// The extent.
        file: ExtentFile,
    },
    /// Make the files of extents that are being placed, durably. Asked for and done outside of the
    /// machines, as placing is: the replica hears of them by [`Adopt`](Self::Adopt) or
    /// [`Reconcile`](Self::Reconcile).
    Create {
        /// At most [`MOST_LISTED`].
        files: BTreeSet<ExtentFile>,
        /// Only those that are not there: the disk is stale, and is about to join.
        missing: bool,
    },
}

impl Ask {
    /// The part of an extent that it is about, as first byte and number of bytes, if it is about one.
    pub fn part(&self) -> Option<(ExtentFile, u32, u32)> {
        match self {
            &(Self::Read {
                file,
                offset,
                length,
            }
            | Self::Map {
                file,
                offset,
                length,
            }
            | Self::Holes {
                file,
                offset,
                length,
            }
            | Self::Fetch {
                file,
                offset,
                length,
            }
            | Self::Store {
                file,
                offset,
                length,
                ..
            }
            | Self::Digest {
                file,
                offset,
                length,
            }
            | Self::Replace {
                file,
                offset,
                length,
                ..
            }
            | Self::Zero {
                file,
                offset,
                length,
                ..
            }) => Some((file, offset, length)),
            Self::Write {
                file, offset, data, ..
            } => Some((*file, *offset, data.len() as u32)),
            _ => None,
        }
    }
}

/// From a replica to the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whose replica.
    pub volume: VolumeId,
    /// On which disk.
    pub disk: DiskNumber,
    /// The disk's.
    pub incarnation: Incarnation,
    /// The message's.
    pub epoch: Epoch,
    /// The message's.
    pub op: OpId,
    /// Blocks of the volume that take space on the disk, once this was done.
    pub allocated: u64,
    /// Blocks that the head was granted there and that take no space yet.
    pub granted: u64,
    /// The bytes of a read, the [runs](crate::map::runs) of a map, the [chunk](crate::chunk) of a
    /// fetch, [digests](crate::digest), the [marks](crate::marks) of a replica that promised, what others
    /// [missed](crate::missed), extents that were [not found](crate::unfound), the number
    /// of holes as u32, the indices of empty extents as u64 each; empty for everything else.
    pub result: Result<Bytes, ReplicaError>,
}

impl Answer {
    /// What is taken for the answer of a disk that is not here, or answers nothing any more.
    pub fn of_absent(volume: VolumeId, disk: DiskNumber, epoch: Epoch, op: OpId) -> Self {
        Self {
            volume,
            disk,
            incarnation: Incarnation::default(),
            epoch,
            op,
            allocated: 0,
            granted: 0,
            result: Err(ReplicaError::Unreachable),
        }
    }
}

/// Why a replica did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// It promised another epoch (V1); nothing was changed.
    #[error("the replica promised another epoch")]
    Fenced,
    /// Its disk has another incarnation than answered the head's promise (V7); nothing was changed.
    #[error("the replica's disk may have lost what was not flushed")]
    Restarted,
    /// Its disk is full; nothing was changed.
    #[error("the replica's disk is full")]
    NoSpace,
    /// Its node has no descriptor or memory left just now; nothing was changed.
    #[error("the replica's node lacks file descriptors or memory")]
    Exhausted,
    /// The bytes do not match their checksum (V10).
    #[error("the bytes do not match their checksum")]
    Corrupt,
    /// It does not hold the extent.
    #[error("the replica does not hold the extent")]
    NoExtent,
    /// Its disk failed (V8).
    #[error("the replica's disk failed")]
    Disk,
    /// It cannot be reached: whether it did what it was asked, nobody knows.
    #[error("the replica cannot be reached")]
    Unreachable,
}
