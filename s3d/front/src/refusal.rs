//! Why the front itself refuses.

use s3d_bucket::Precondition;

/// Why the front itself refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody signed, or whoever did may not.
    #[error("access denied")]
    Denied,
    /// No key has this id.
    #[error("the access key id you provided does not exist")]
    UnknownKey,
    /// No such bucket.
    #[error("the specified bucket does not exist")]
    NoSuchBucket,
    /// No such key in the bucket.
    #[error("the specified key does not exist")]
    NoSuchKey,
    /// A condition does not hold.
    #[error("at least one of the preconditions you specified did not hold")]
    Precondition(Precondition),
    /// A condition on the source of a copy does not hold.
    #[error("at least one of the preconditions you specified for the source did not hold")]
    SourcePrecondition(Precondition),
    /// An argument is out of its range.
    #[error("{0}")]
    Argument(&'static str),
    /// Only signed requests may do this.
    #[error("{0}")]
    Unsigned(&'static str),
    /// The endpoint of one bucket was asked for another.
    #[error(
        "this is the endpoint of the bucket {endpoint}, in path style (set forcePathStyle: true): \
         the path must begin with /{endpoint}/"
    )]
    OtherBucket {
        /// The endpoint's bucket.
        endpoint: String,
    },
    /// The host names a namespace that is not the bucket's.
    #[error("the bucket does not belong to the namespace that the host names")]
    OtherNamespace,
    /// The path cannot be a key.
    #[error("the path is no valid UTF-8, or has a NUL in it")]
    Path,
    /// Something S3 has and that is not built.
    #[error("{0}")]
    NotBuilt(&'static str),
    /// A document that says something impossible.
    #[error("{0}")]
    Document(&'static str),
    /// ACLs are to mean nothing while the bucket's ACL grants something.
    #[error("the bucket's ACL grants access to others: set it to private first")]
    GrantsInTheWay,
    /// The public access block refuses the policy.
    #[error("the public access block of the bucket refuses public policies")]
    PublicPolicy,
    /// A bucket is wanted elsewhere.
    #[error("the location constraint {named} is not {here}, where this is")]
    Location {
        /// The region that is wanted.
        named: String,
        /// The region that this is.
        here: String,
    },
}
