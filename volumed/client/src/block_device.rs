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

/// One of the connections that a device has had, counted: what was answered on another one may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session(pub u64);

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

    /// The same of what memory has, at once.
    fn read_cached(&self, offset: u64, length: usize) -> Option<Bytes> {
        let _ = (offset, length);
        None
    }

    /// The same for a caller whose thread may wait: fills `bytes`, or answers false.
    fn read_unchecked_blocking(&self, offset: u64, bytes: &mut [u8]) -> bool {
        let _ = (offset, bytes);
        false
    }

    /// Writes `pieces`, one after the other without a gap, at `offset`.
    async fn write(
        &self,
        offset: u64,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<(), DeviceError>;

    /// Whether the connection stands. It ends before another owner of the volume begins (V1), so what
    /// a caller read before this call, and kept, was right until then if it does.
    fn is_connected(&self) -> bool {
        true
    }

    /// The session that answers what is called from now on. Whoever wants something made durable
    /// takes it before the first write or trim of it. A device that ends with its connection has
    /// one only.
    fn session(&self) -> Session {
        Session(0)
    }

    /// Makes durable every write and trim that was called after `since` was taken and answered
    /// before this call, whoever called it (V9).
    ///
    /// [`DeviceError::Disconnected`] says that another session began meanwhile, and some of it may
    /// be gone: the caller takes the session of now and does its writes and trims again, or reads
    /// back what they left. Every caller is told so for itself: the device remembers none.
    async fn flush(&self, since: Session) -> Result<(), DeviceError>;

    /// Gives `length` bytes at `offset` back to the pool; they read zero afterwards.
    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError>;
}

/// Why a call on a [`BlockDevice`] failed. A failed write may have happened in full, in part or
/// not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The connection to the volume daemon is gone, and with it this device: attach again. Of a
    /// [`flush`](BlockDevice::flush) it may also say that the connection is another one by now.
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
