//! What is known of a request beside what s3s reads of it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use s3d_accounts::Key;
use s3d_buckets::BucketRecord;
use s3s::S3Request;
use s3s::access::S3AccessContext;

use crate::access::Caller;
use crate::document::Document;
use crate::host::Addressing;
use crate::lenient::LenientHeaders;
use crate::observer::OperationName;
use crate::refusal::Refusal;
use crate::request_body::RequestBody;
use crate::signature::Seed;

/// Travels with a request through s3s: the one thing in its extensions.
#[derive(Clone)]
pub struct RequestContext {
    /// How the request names its bucket.
    pub addressing: Addressing,
    /// S3's name of the operation, once it is known.
    pub operation: OperationName,
    /// Who signed the request; `None` if it is not signed.
    pub signer: Option<Signer>,
    /// The headers that s3s does not get.
    pub headers: LenientHeaders,
    /// The body, which s3s gets only if it is a document, and was read.
    pub body: Content,
    /// Who asks; `None` until [`crate::access`] let the request in.
    pub caller: Option<Caller>,
    /// The bucket that the request is about, once it was let in; `None` if it is about none that
    /// exists.
    pub bucket: Option<Arc<BucketRecord>>,
}

/// The verified signer of a request.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The key.
    pub key: Arc<Key>,
    /// What the signatures of chunks build on; none in a presigned URL or of Version 2.
    pub seed: Option<Seed>,
    /// Whether the signature was in the query.
    pub presigned: bool,
    /// The mechanism, as policies name it: `AWS4-HMAC-SHA256` or `AWS`.
    pub algorithm: &'static str,
    /// When it was signed, in seconds since 1970; `None` if the signature does not say.
    pub signed_at: Option<i64>,
}

/// The body of a request.
#[derive(Clone)]
pub enum Content {
    /// Nothing that the operation reads.
    Nothing,
    /// The bytes of an object or a part.
    Bytes(RequestBody),
    /// The file of a form.
    Form {
        /// The file.
        file: RequestBody,
        /// How many bytes it may have.
        length: RangeInclusive<u64>,
    },
    /// An XML document.
    Document(Document),
}

impl RequestContext {
    /// The context of a request that reached an operation.
    pub fn of<T>(request: &S3Request<T>) -> Result<&Self, Refusal> {
        request.extensions.get().ok_or(Refusal::Denied)
    }

    /// Takes the context out of a request whose access is being decided.
    pub fn take(access: &mut S3AccessContext<'_>) -> Result<Self, Refusal> {
        access.extensions_mut().remove().ok_or(Refusal::Denied)
    }
}
