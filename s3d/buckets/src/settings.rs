//! What its owner set on a bucket, beside the ACL. Each field may be absent from a stored record,
//! which then is as if it had never been set.

use s3d_policy::Policy;
use serde::{Deserialize, Serialize};

/// The settings of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Tags by key; empty: never set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// What browsers may do, in the order in which rules are tried; empty: nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<CorsRule>,
    /// To whom objects that others write belong; `None`: never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// What ACLs may not make public; `None`: never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
    /// The bucket policy; `None`: never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Most bytes that its objects and parts may have together; `None`: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
}

/// What pages of some origins may do with a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CorsRule {
    /// The name that its owner gave it.
    pub id: Option<String>,
    /// Origins, each with at most one `*`.
    pub allowed_origins: Vec<String>,
    /// `GET`, `PUT`, `HEAD`, `POST` or `DELETE`.
    pub allowed_methods: Vec<String>,
    /// Names of request headers, each with at most one `*`.
    pub allowed_headers: Vec<String>,
    /// Names of answer headers that pages may read.
    pub expose_headers: Vec<String>,
    /// How many seconds a browser may remember the answer to a preflight.
    pub max_age_seconds: Option<u32>,
}

/// S3's object ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Ownership {
    /// ACLs mean nothing: everything belongs to the bucket's owner.
    BucketOwnerEnforced,
    /// The bucket's owner owns what was written with `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// An object belongs to the namespace that wrote it; also what holds when nothing was set.
    #[default]
    ObjectWriter,
}

/// S3's public access block. Nothing is blocked when it was never set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "S3 defines four independent switches"
)]
pub struct PublicAccessBlock {
    /// Public ACLs cannot be set.
    pub block_public_acls: bool,
    /// Public ACLs that are set count for nothing.
    pub ignore_public_acls: bool,
    /// Public policies cannot be set.
    pub block_public_policy: bool,
    /// A public policy allows nothing to anybody but the owner.
    pub restrict_public_buckets: bool,
}
