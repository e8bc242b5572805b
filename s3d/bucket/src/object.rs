//! What a bucket keeps of an object, an upload and a part.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::format::rows::UPLOAD_ID_LENGTH;

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

/// Names a blob whose slices are rows of their own; never used twice in a bucket. It is the sequence
/// number of the record that made the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub u64);

/// A blob of more slices than this has rows of its own for them, so that deleting or copying its
/// object costs the log a few bytes, and reading the object's row does not read them.
pub const MAX_INLINE_SLICES: usize = 1024;

/// The bytes of an object or a part: slices of spans, one after the other. A span is kept whole as
/// long as any slice names it, however small the slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blob {
    /// The slices, at most [`MAX_INLINE_SLICES`].
    Inline(Vec<SpanSlice>),
    /// The slices are found under this id.
    Stored(BlobId),
    /// Something was written into it or behind it: these pieces, one after the other.
    Pieces(Vec<Piece>),
}

/// A run of bytes of a blob that was written into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// Of a span.
    Slice(SpanSlice),
    /// Of a stored blob.
    Stored {
        /// Which.
        blob: StoredBlob,
        /// Which bytes of it.
        range: Range<u64>,
    },
}

/// A stored blob as part of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBlob {
    /// Its id.
    pub id: BlobId,
    /// How many bytes it has.
    pub length: u64,
    /// How many slices it has.
    pub slices: u32,
}

impl Default for Blob {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}

impl Blob {
    /// The span in which its bytes begin, if the blob itself says so.
    pub(crate) fn first_span(&self) -> Option<SpanId> {
        match self {
            Self::Inline(slices) => slices.first().map(|slice| slice.span),
            Self::Stored(_) | Self::Pieces(_) => None,
        }
    }
}

/// An object as stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Object {
    /// Length in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
    /// Sequence number of the record that made it: no two objects of a bucket share one, under the
    /// same key or not.
    pub sequence: u64,
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

/// Names a multipart upload: the letter `u` and 32 hex digits. Some clients take an id of digits only
/// for a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UploadId(pub String);

impl UploadId {
    /// The upload id that `text` is, if a bucket can have given it out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('u')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let whole = text.len() == UPLOAD_ID_LENGTH && digits.bytes().all(is_digit);
        whole.then(|| Self(text.to_owned()))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_bucket_gives_out_is_an_upload_id() {
        let id = format!("u{}", "0f".repeat(16));
        assert_eq!(UploadId::parse(&id), Some(UploadId(id.clone())));
        let (digits, capital) = ("0f".repeat(16), id.to_uppercase());
        for text in [
            "",
            "u",
            &digits,
            &capital,
            &format!("{id}0"),
            &format!("x{digits}"),
        ] {
            assert_eq!(UploadId::parse(text), None, "{text}");
        }
    }
}
