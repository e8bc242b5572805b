//! What comes with an object's bytes and goes out with them.

use serde::{Deserialize, Serialize};

use crate::acl::Acl;

/// What the S3 front gives with an object's bytes and gets back with them. The bucket stores it
/// whole and reads only `etag`, for conditions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attributes {
    /// The ETag without quotes, such as `9e107d9d372bb6826bd81d3542a419d6` or `…-3`.
    pub etag: String,
    /// Standard headers to return (`content-type`, `expires`, …) as they were sent; names in lower
    /// case.
    pub headers: Vec<(String, String)>,
    /// User metadata: the names after `x-amz-meta-`, in lower case.
    pub metadata: Vec<(String, String)>,
    /// Tags: keys and values, as they were given.
    pub tags: Vec<(String, String)>,
    /// Who may do what with it; `None`: its owner alone.
    pub acl: Option<Acl>,
    /// The namespace that owns it; `None`: the bucket's.
    pub owner: Option<String>,
    /// The checksum stored with it, if any.
    pub checksum: Option<Checksum>,
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

/// A change of an object's attributes that leaves its bytes, its ETag and its time as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeChange {
    /// These tags in place of all that it has.
    Tags(Vec<(String, String)>),
    /// This ACL in place of its own.
    Acl(Option<Acl>),
}
