//! What a bucket is asked and what it answers.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::acl::Acl;
use crate::attributes::{Attributes, Checksum};
use crate::condition::Condition;
use crate::object::{Key, Object, Part, Upload, UploadId};
use crate::space::allocator::Claim;

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

/// What names a request that a client may repeat because its answer was lost: hashes, which a bucket
/// only compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestToken {
    /// Of the token that the client chose, and of who it is.
    pub token: TokenHash,
    /// Of all that the request asks for.
    pub parameters: TokenHash,
}

/// 128 bits of a hash that nobody can make collide.
pub type TokenHash = [u8; 16];

/// Where a copy or a rename comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    /// The object's key.
    pub key: Key,
    /// What must hold of it when it is copied or renamed.
    pub condition: Condition,
}

/// What a copied object has. A `None` is as the source has it at that moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyAttributes {
    /// The ETag, without quotes.
    pub etag: Option<String>,
    /// Standard headers.
    pub headers: Option<Vec<(String, String)>>,
    /// User metadata.
    pub metadata: Option<Vec<(String, String)>>,
    /// Tags.
    pub tags: Option<Vec<(String, String)>>,
    /// The ACL, which a copy never takes from its source.
    pub acl: Option<Acl>,
    /// The namespace that owns it; `None`: the bucket's.
    pub owner: Option<String>,
    /// The checksum; when it was computed over the source's bytes, the source's condition must name
    /// the very object that was read.
    pub checksum: Option<Checksum>,
}

/// What is appended to an object, beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// Where it begins: the object has this size.
    pub offset: u64,
    /// The very object that was seen, by [`Object::sequence`]: what follows was made of its own.
    pub onto: u64,
    /// The ETag of the whole, without quotes.
    pub etag: String,
    /// The checksum of the whole, if it can be told.
    pub checksum: Option<Checksum>,
}

/// What is written into an object, beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Which of its bytes. Each range begins behind the one before, and within the object or at its
    /// end, which the last may move.
    pub ranges: Vec<Range<u64>>,
    /// The very object that was seen, by [`Object::sequence`]: what follows was made of its own.
    pub onto: u64,
    /// The ETag of the whole, without quotes.
    pub etag: String,
    /// The checksum of the whole, if it can be told.
    pub checksum: Option<Checksum>,
    /// Standard headers; `None`: as they are.
    pub headers: Option<Vec<(String, String)>>,
    /// User metadata; `None`: as it is.
    pub metadata: Option<Vec<(String, String)>>,
}

/// Which part of which upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartName {
    /// The key that the upload is for.
    pub key: Key,
    /// The upload.
    pub upload: UploadId,
    /// The part's number, 1 to 10,000.
    pub number: u16,
}

/// What comes with a part's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartAttributes {
    /// The ETag, without quotes.
    pub etag: String,
    /// The checksum, if any.
    pub checksum: Option<Checksum>,
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
