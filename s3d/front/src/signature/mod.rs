//! AWS Signature Version 4: who signed a request.
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

use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

use self::canonical::{Signable, paths};
use self::claim::names;
pub use self::claim::{Claim, credential_of};
pub use self::hoist::{hoisted, without_signature};
use self::key::{SigningKey, hex, unhex};
use self::time::SigningTime;
use crate::query::Query;

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// AWS Signature Version 2.
    #[error("Signature Version 2 is not supported: sign with AWS4-HMAC-SHA256 (Version 4)")]
    Version2,
    /// It begins like Version 2 and is none.
    #[error("the Authorization header is invalid: expected AwsAccessKeyId:signature")]
    MalformedVersion2,
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

/// The words that stand for the hash of a body.
const PAYLOADS: [&str; 4] = [
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
];

/// A request as it came, but for its body.
#[derive(Clone, Copy)]
pub struct Received<'r> {
    /// Its method.
    pub method: &'r Method,
    /// Its path, still encoded.
    pub path: &'r str,
    /// Its query.
    pub query: &'r Query<'r>,
    /// Its headers.
    pub headers: &'r HeaderMap,
}

impl Claim<'_> {
    /// Checks that all that matters is signed, and that `secret` signed it.
    pub fn verify(&self, request: Received<'_>, secret: &str) -> Result<(), SignatureError> {
        check_payload(self.payload)?;
        self.check_signed(request.headers)?;
        let signable = Signable {
            request,
            signed_headers: self.signed_headers,
            payload: self.payload,
        };
        let key = SigningKey::derive(secret, self.scope);
        let verifies = |path: &str| {
            let hash = hex(&Sha256::digest(signable.canonical(path)));
            let (time, scope) = (self.time.basic(), self.scope);
            let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
            key.verifies(text.as_bytes(), self.signature)
        };
        if paths(request.path).any(|path| verifies(&path)) {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }

    /// The host and every `x-amz-` header are among the signed ones: one that nobody signed was
    /// perhaps added on the way.
    fn check_signed(&self, headers: &HeaderMap) -> Result<(), SignatureError> {
        let signed = |name: &str| names(self.signed_headers, name);
        if !signed("host") {
            return Err(SignatureError::Unsigned("host".to_owned()));
        }
        for name in headers.keys() {
            let name = name.as_str();
            // The hash of the payload can only narrow what a presigned URL allows.
            let matters = name.starts_with("x-amz-") && name != "x-amz-content-sha256";
            if matters && !signed(name) {
                return Err(SignatureError::Unsigned(name.to_owned()));
            }
        }
        Ok(())
    }

    /// What the signatures of chunks build on.
    pub fn seed(&self) -> Seed {
        Seed {
            scope: self.scope.to_owned(),
            time: self.time.clone(),
            signature: self.signature.to_owned(),
        }
    }
}

fn check_payload(payload: &str) -> Result<(), SignatureError> {
    if payload.starts_with("STREAMING-AWS4-ECDSA-") {
        return Err(SignatureError::Asymmetric);
    }
    if PAYLOADS.contains(&payload) || unhex(payload).is_some() {
        Ok(())
    } else {
        Err(SignatureError::PayloadHash)
    }
}

#[cfg(test)]
mod tests;
