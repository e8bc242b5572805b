//! What a client asks of a volume, and what it is answered.

use bytes::Bytes;

/// A client's request; offsets and lengths are in bytes and need no alignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read `length` bytes.
    Read {
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u32,
    },
    /// Write `data`.
    Write {
        /// First byte.
        offset: u64,
        /// The bytes.
        data: Bytes,
        /// Answer only when the bytes are durable.
        fua: bool,
    },
    /// Make every write that was answered before durable.
    Flush,
    /// Give the bytes back to the pool; they read zero afterwards.
    Trim {
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u64,
        /// Answer only when this is durable.
        fua: bool,
    },
    /// Make the bytes zero.
    WriteZeroes {
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u64,
        /// Answer only when this is durable.
        fua: bool,
        /// Keep (or take) the space, so that a later write finds it.
        no_hole: bool,
    },
    /// Tell which bytes take space, from the first on and as far as one answer reaches.
    Map {
        /// First byte.
        offset: u64,
        /// How many bytes.
        length: u32,
        /// The first [run](crate::map::Run) suffices.
        one: bool,
    },
}

/// The bytes of a read, the [runs](crate::map::runs) of a map; empty for everything else.
pub type Reply = Result<Bytes, IoError>;

/// Why a request failed. A failed write may have happened in full, in part or not at all, except
/// where it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IoError {
    /// The pool, or the volume's quota, has no room; nothing was changed.
    #[error("the pool or the volume's quota has no space left")]
    NoSpace,
    /// The node has no descriptor or memory left just now; nothing was changed in an extent that
    /// needed one.
    #[error("the volume daemon lacks file descriptors or memory")]
    Exhausted,
    /// A disk failed, or bytes did not match their checksum (V8, V10).
    #[error("input/output error")]
    Io,
    /// What was there was lost with a disk that left the pool, and was not written whole since; nothing
    /// was changed in that extent.
    #[error("what was there was lost with a disk")]
    Lost,
    /// The request is malformed or reaches beyond the end; nothing was changed.
    #[error("the request does not fit the volume")]
    Invalid,
    /// The volume has another head or owner now (V1, V2), or the daemon stops; nothing was changed.
    #[error("the volume is not served here any more")]
    Gone,
}
