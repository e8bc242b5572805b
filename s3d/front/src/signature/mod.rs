//! Who signed a request: AWS Signature Version 4, and Version 2 of old clients.
//!
//! s3s could verify signatures, but refuses what clients send and S3 takes (regions such as `US`,
//! a `Date` header), and hands on no headers that were signed and that it reads too strictly.
//! Here they are verified before it; it gets requests without signatures.

pub mod canonical;
pub mod chunks;
mod claim;
mod hoist;
pub mod key;
pub mod time;
pub mod version2;
mod version4;

use http::{HeaderMap, Method};

pub use self::claim::{Claim, VERSION2, VERSION4};
pub use self::hoist::{hoisted, without_signature};
use self::time::SigningTime;
pub use self::version4::credential_of;
use crate::query::Query;

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It begins like Version 2 and is none.
    #[error("the Authorization header is invalid: expected AwsAccessKeyId:signature")]
    MalformedVersion2,
    /// A presigned URL of Version 2 that lacks a parameter, or has one twice or malformed.
    #[error(
        "a URL presigned with Signature Version 2 must have AWSAccessKeyId, Signature and Expires \
         (seconds since 1970) once each"
    )]
    Version2Query,
    /// A parameter that changes what is asked for, and that Version 2 does not sign.
    #[error(
        "Signature Version 2 does not sign the query parameter {0}: sign with AWS4-HMAC-SHA256 \
         (Version 4)"
    )]
    UnsignedQuery(String),
    /// Neither of AWS's mechanisms.
    #[error("unsupported Authorization type: sign with AWS4-HMAC-SHA256")]
    Mechanism,
    /// Signed in the header and in the query.
    #[error("sign a request in its Authorization header or in its query, not in both")]
    Twice,
    /// The `Authorization` header cannot be read.
    #[error("the Authorization header is malformed: {0}")]
    Header(&'static str),
    /// A parameter of a presigned URL is missing, there twice, or malformed.
    #[error("a presigned URL must have {0} once, and well-formed")]
    Query(&'static str),
    /// It would live for too long, or its life is no number.
    #[error("X-Amz-Expires must be a number of seconds, at most a week (604800)")]
    Expires,
    /// Its life is over.
    #[error("the presigned URL has expired")]
    Expired,
    /// Its life lies ahead.
    #[error("the presigned URL is not yet valid: check the clock of whoever made it")]
    NotYetValid,
    /// No date, or none that can be read.
    #[error("a signed request needs a valid x-amz-date or Date header")]
    NoDate,
    /// Signed too long ago, or in the future.
    #[error("the difference between the time of the request and the server's is too large")]
    Skewed,
    /// `x-amz-content-sha256` is missing.
    #[error("the header x-amz-content-sha256 is required in a signed request")]
    NoPayloadHash,
    /// It is neither a hash nor one of the words that stand for one.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a \
         valid SHA-256 value"
    )]
    PayloadHash,
    /// Chunks signed with the asymmetric variant, which is not built.
    #[error("AWS4-ECDSA-P256-SHA256 is not implemented: sign chunks with AWS4-HMAC-SHA256")]
    Asymmetric,
    /// A header that matters was not signed.
    #[error("there is a header in the request that was not signed: {0}")]
    Unsigned(String),
    /// A query parameter and the header that it stands for differ.
    #[error("a query parameter and a header say different things: {0}")]
    Contradiction(String),
    /// A parameter that cannot be a header.
    #[error("the query parameter {0} cannot be a header")]
    NoHeader(String),
    /// The signature is another one.
    #[error(
        "the signature is not the one computed here: check the secret access key, the clock, and \
         that nothing between changes the request"
    )]
    Mismatch,
}

/// What the signatures of an aws-chunked body build on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// `<day>/<region>/s3/aws4_request`.
    pub scope: String,
    /// When the request was signed.
    pub time: SigningTime,
    /// The request's signature.
    pub signature: String,
}

/// A request as it came, but for its body.
#[derive(Clone, Copy)]
pub struct Received<'r> {
    /// Its method.
    pub method: &'r Method,
    /// Its path, still encoded.
    pub path: &'r str,
    /// The bucket that its host names: the path is then the key alone.
    pub host_bucket: Option<&'r str>,
    /// Its query.
    pub query: &'r Query<'r>,
    /// Its headers.
    pub headers: &'r HeaderMap,
}

#[cfg(test)]
mod tests;
