//! The block device that everything above a volume is written against.

use async_trait::async_trait;
use bytes::Bytes;

/// When a write may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Answered once every in-sync replica has the bytes; a power cut may still take them (V3).
    Volatile,
    /// Answered once the bytes would survive a power cut (NBD's FUA).
    Durable,
}

/// A thin volume as its owner sees it: byte addressed, unwritten bytes read zero.
///
/// All calls may be in flight at once, from any thread. Two calls that overlap and are in flight
/// together have no order between them. Dropping a returned future does not undo the call.
#[async_trait]
pub trait BlockDevice: Send + Sync + 'static {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Reads exactly `length` bytes at `offset`.
    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError>;

    /// Reads `length` bytes at `offset` by a way that is shorter but checks nothing, if the device
    /// has one for them: only a caller with a checksum of its own may use what is answered, and
    /// must [`read`](Self::read) what does not match it.
    async fn read_unchecked(&self, offset: u64, length: usize) -> Option<Bytes> {
        let _ = (offset, length);
        None
    }

    /// Writes `pieces`, one after the other without a gap, at `offset`.
    async fn write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<(), DeviceError>;

    /// Makes durable every write that was answered before this call, on any connection.
    async fn flush(&self) -> Result<(), DeviceError>;

    /// Gives `length` bytes at `offset` back to the pool; they read zero afterwards.
    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError>;
}

/// Why a call on a [`BlockDevice`] failed. A failed write may have happened in full, in part or
/// not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The connection to the volume daemon is gone, and with it this device: attach again.
    #[error("the connection to the volume daemon was lost")]
    Disconnected,
    /// The pool has no room; nothing was changed.
    #[error("the pool has no space left")]
    NoSpace,
    /// The bytes could not be read or written whole, or did not match their checksum (V10).
    #[error("input/output error on the volume")]
    Io,
    /// The call lies beyond the end of the volume or is malformed.
    #[error("the request does not fit the volume")]
    Invalid,
}
