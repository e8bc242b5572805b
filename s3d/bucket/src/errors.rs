//! Why a bucket refuses or fails.

use volumed_client::DeviceError;

use crate::condition::Precondition;

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The condition does not hold: this of it.
    #[error("the condition on {0} does not hold")]
    ConditionFailed(Precondition),
    /// The condition, or the change, needs an object, and none has this key.
    #[error("there is no object with this key")]
    NoSuchKey,
    /// The condition on the source of a copy or a rename does not hold: this of it.
    #[error("the condition on {0} of the source does not hold")]
    SourceConditionFailed(Precondition),
    /// There is nothing to copy or to rename.
    #[error("there is no object with the source's key")]
    NoSuchSource,
    /// The token of a request was that of another one, which asked for something else.
    #[error("the token was used for a request with other parameters")]
    TokenReused,
    /// Something was to be appended where the object does not end.
    #[error("the write offset is not the size of the object")]
    WriteOffset,
    /// The range to copy ends beyond the source.
    #[error("the range does not lie within the source")]
    InvalidRange,
    /// The bucket would hold more bytes than its quota; nothing was changed.
    #[error("the bucket's quota does not leave room for this")]
    Quota,
    /// No such upload for this key.
    #[error("there is no such upload")]
    NoSuchUpload,
    /// A part that was named is not there, or has another ETag.
    #[error("part {0} is missing or has another ETag")]
    InvalidPart(u16),
    /// No key starts with the prefix that was to be renamed.
    #[error("no key starts with this prefix")]
    NothingToRename,
    /// There are keys under the new prefix.
    #[error("there are keys under the new prefix already")]
    PrefixNotEmpty,
    /// Of the two prefixes one is empty, or starts with the other.
    #[error("one of the prefixes is empty or starts with the other")]
    PrefixesOverlap,
    /// A key would be longer than keys may be.
    #[error(
        "a key would have more than {} bytes under the new prefix",
        crate::object::MAX_KEY_LENGTH
    )]
    KeyTooLong,
    /// An earlier rename of a prefix still moves its rows.
    #[error("the bucket is still busy with an earlier rename of a prefix")]
    RenameRunning,
    /// The pool is full; nothing was changed.
    #[error("the pool has no space left")]
    NoSpace,
    /// The change touches more rows than one log group holds; nothing was changed.
    #[error("the change is too large to be made at once")]
    TooLarge,
    /// The volume daemon was restarted and lost what was answered of the body; nothing was changed.
    #[error("the volume daemon lost bytes of the body")]
    BodyLost,
    /// The bucket has to be opened again; whether the change was made is unknown.
    #[error("the bucket was closed: {0}")]
    Closed(ClosedError),
}

/// Why bytes or rows could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// What was read does not match its checksum, or the volume could not read it (V10).
    #[error("stored bytes are damaged at {address}")]
    Damaged {
        /// Byte address on the volume.
        address: u64,
    },
    /// The bucket has to be opened again.
    #[error("the bucket was closed: {0}")]
    Closed(ClosedError),
}

/// Why a bucket can no longer be used through this handle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClosedError {
    /// It was closed on purpose.
    #[error("it was closed by its owner")]
    OnPurpose,
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The index failed.
    #[error("the index failed: {0}")]
    Index(String),
}

/// Why a bucket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Both superblock slots are damaged.
    #[error("both superblocks of the bucket are damaged")]
    Superblock,
    /// Another version wrote this bucket.
    #[error("the bucket was written by another version (format {found}, this one knows {known})")]
    Version {
        /// The version found.
        found: u32,
        /// The version known here.
        known: u32,
    },
    /// The volume holds another bucket.
    #[error("the volume holds another bucket")]
    OtherBucket,
    /// The index failed.
    #[error("the index failed: {0}")]
    Index(String),
    /// A log group that the index does not yet hold cannot be read.
    #[error("the log is damaged at {address}")]
    Log {
        /// Byte address on the volume.
        address: u64,
    },
}
