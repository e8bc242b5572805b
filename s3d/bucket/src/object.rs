//! What a bucket keeps of an object, an upload and a part.

use serde::{Deserialize, Serialize};

/// Longest key, in bytes, as in S3.
pub const MAX_KEY_LENGTH: usize = 1024;

/// An object's key: 1 to [`MAX_KEY_LENGTH`] bytes of UTF-8. Cheap to compare, ordered by bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(String);

impl Key {
    /// Checks and wraps a key.
    pub fn new(key: impl Into<String>) -> Result<Self, KeyError> {
        let key = key.into();
        match key.len() {
            0 => Err(KeyError::Empty),
            1..=MAX_KEY_LENGTH => Ok(Self(key)),
            length => Err(KeyError::TooLong(length)),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a string is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has no bytes.
    #[error("a key has at least one byte")]
    Empty,
    /// It has more than [`MAX_KEY_LENGTH`] bytes.
    #[error("a key has at most {MAX_KEY_LENGTH} bytes; this one has {0}")]
    TooLong(usize),
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub u64);

/// What the S3 front gives with an object's bytes and gets back with them. The bucket stores it
/// whole and reads only `etag`, for conditions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attributes {
    /// The ETag without quotes, such as `9e107d9d372bb6826bd81d3542a419d6` or `…-3`.
    pub etag: String,
    /// Standard headers to return (`content-type`, `cache-control`, …), names in lower case.
    pub headers: Vec<(String, String)>,
    /// User metadata: the names after `x-amz-meta-`, in lower case.
    pub metadata: Vec<(String, String)>,
    /// Who may read it.
    pub acl: CannedAcl,
    /// The checksum stored with it, if any.
    pub checksum: Option<Checksum>,
}

/// The canned ACLs that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CannedAcl {
    /// Only the namespace's keys.
    #[default]
    Private,
    /// Anyone may read.
    PublicRead,
}

/// A checksum in S3's sense (`x-amz-checksum-*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// The value as S3 writes it: base64, with `-N` behind it for a composite one.
    pub value: String,
    /// What it was computed over.
    pub kind: ChecksumKind,
}

/// The algorithms S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are S3's")]
pub enum ChecksumAlgorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What a checksum was computed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChecksumKind {
    /// All bytes of the object.
    FullObject,
    /// The checksums of its parts.
    Composite,
}

/// Names a span; never used twice in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpanId(pub u64);

/// A run of bytes of a span, as a blob names it (B6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanSlice {
    /// The span.
    pub span: SpanId,
    /// The first byte within the span.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// The bytes of an object or a part: slices of spans, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Blob {
    /// The slices in order.
    pub slices: Vec<SpanSlice>,
}

impl Blob {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.slices.iter().map(|slice| slice.length).sum()
    }
}

/// An object as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Length in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
    /// What came with its bytes.
    pub attributes: Attributes,
    /// The upload that it was completed from, if it was: a completion that is repeated because its
    /// answer was lost is known by it.
    pub upload: Option<UploadId>,
    /// The parts that it was completed from; empty when it was put in one piece.
    pub parts: Vec<ObjectPart>,
    /// Its bytes.
    pub blob: Blob,
}

/// A part of a completed object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPart {
    /// The part's number, 1 to 10,000.
    pub number: u16,
    /// Length in bytes.
    pub size: u64,
    /// The part's checksum value, if it had one.
    pub checksum: Option<String>,
}

/// Names a multipart upload; what S3 calls `UploadId` is its text form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UploadId(pub String);

/// A multipart upload under way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Upload {
    /// When it was begun.
    pub initiated: Timestamp,
    /// What the finished object shall have; `etag` is empty and `checksum` is `None` until then.
    pub attributes: Attributes,
    /// The checksum that the upload was begun with, if any.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// An uploaded part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Length in bytes.
    pub size: u64,
    /// When it was uploaded.
    pub modified: Timestamp,
    /// MD5 of its bytes in lower-case hex.
    pub etag: String,
    /// Its checksum, if any.
    pub checksum: Option<Checksum>,
    /// Its bytes.
    pub blob: Blob,
}
