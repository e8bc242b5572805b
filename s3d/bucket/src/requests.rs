//! What a bucket is asked, what it answers, and why it refuses.

use std::sync::Arc;

use bytes::Bytes;
use volumed_client::DeviceError;

use crate::object::{Attributes, Key, Object, Part, Upload, UploadId};
use crate::space::allocator::Claim;

/// What must hold of the current object for a change to happen; planned and applied as one (B2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// No object has this key (`If-None-Match: *`).
    Absent,
    /// An object has this key (`If-Match: *`).
    Present,
    /// The object has this ETag (`If-Match`), without quotes.
    EtagIs(String),
}

/// The bytes of a put or a part, ready to be named by a record.
#[derive(Debug)]
pub enum Body {
    /// Travels in the log group itself.
    Small(Bytes),
    /// Already durable in the data zone (B1).
    Stored(Vec<StoredSpan>),
}

impl Body {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Small(bytes) => bytes.len() as u64,
            Self::Stored(spans) => spans.iter().map(|span| span.length).sum(),
        }
    }
}

/// A span that was written and that no record names yet.
#[derive(Debug)]
pub struct StoredSpan {
    pub(crate) claim: Arc<Claim>,
    /// Length in bytes.
    pub(crate) length: u64,
    /// CRC32C of each [`CHECKED_RUN`](crate::CHECKED_RUN) bytes.
    pub(crate) sums: Vec<u32>,
}

/// A part as the client names it to complete an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPart {
    /// The part's number.
    pub number: u16,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksum value, if the client sent one.
    pub checksum: Option<String>,
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListRequest {
    /// Only keys that start with this.
    pub prefix: String,
    /// Roll up keys that share what lies between the prefix and this, if given and not empty.
    pub delimiter: Option<String>,
    /// Begin behind this key or common prefix: a common prefix is passed over whole.
    pub after: Option<String>,
    /// At most this many keys and common prefixes together.
    pub limit: usize,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// Keys and common prefixes in the order of their bytes.
    pub entries: Vec<ListEntry>,
    /// What to give as `after` for the next page, if there is one.
    pub next: Option<String>,
}

/// A line of a listing.
#[derive(Debug, Clone)]
pub enum ListEntry {
    /// An object.
    Object(Key, Box<Object>),
    /// A common prefix, delimiter included.
    Prefix(String),
}

/// A page of the uploads under way, ordered by key and upload id.
#[derive(Debug, Clone, Default)]
pub struct UploadPage {
    /// The uploads.
    pub uploads: Vec<(Key, UploadId, Upload)>,
    /// Common prefixes.
    pub prefixes: Vec<String>,
    /// What to give as `after` for the next page, if there is one.
    pub next: Option<(String, Option<UploadId>)>,
}

/// What a put answers.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The object as it stands.
    pub object: Object,
}

/// Everything to know of an upload in order to complete or list it.
#[derive(Debug, Clone)]
pub struct UploadState {
    /// The upload.
    pub upload: Upload,
    /// Its parts by number, ascending.
    pub parts: Vec<(u16, Part)>,
}

/// What completing an upload makes of its parts; computed by the S3 front, which knows ETags.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The parts in order, each of which must still have the given ETag.
    pub parts: Vec<NamedPart>,
    /// The finished object's attributes.
    pub attributes: Attributes,
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The condition does not hold.
    #[error("the condition does not hold")]
    ConditionFailed,
    /// `If-Match` on a key that no object has.
    #[error("there is no object with this key")]
    NoSuchKey,
    /// No such upload for this key.
    #[error("there is no such upload")]
    NoSuchUpload,
    /// A part that was named is not there, or has another ETag.
    #[error("part {0} is missing or has another ETag")]
    InvalidPart(u16),
    /// The pool is full; nothing was changed.
    #[error("the pool has no space left")]
    NoSpace,
    /// The change touches more rows than one log group holds; nothing was changed.
    #[error("the change is too large to be made at once")]
    TooLarge,
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
    /// A newer version wrote this bucket.
    #[error("the bucket was written by a newer version (format {found}, this one knows {known})")]
    Version {
        /// The version found.
        found: u32,
        /// The newest version known here.
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
