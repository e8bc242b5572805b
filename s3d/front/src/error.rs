//! From our refusals to S3's codes: the one place where that is decided.

mod settings;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use s3d_bucket::{ChangeError, KeyError, Precondition, ReadError};
use s3s::{S3Error, S3ErrorCode};

use super::attributes::AttributesError;
use super::built::NotBuilt;
use super::checksum::CombineError;
use super::chunked::ChunkedError;
use super::conditions::WriteConditionError;
use super::document::DocumentError;
use super::host::HostError;
use super::ingest::IngestError;
use super::multipart::MultipartError;
use super::payload::PayloadError;
use super::range::RangeError;
use super::signed::SignedError;
use super::token::TokenError;
use s3d_accounts::AccountsError;
use s3d_buckets::{ConfigureError, CreateBucketError, DeleteBucketError, OpenBucketError};
use s3d_names::BucketNameError;
use s3d_records::RecordError;

/// What a refusal of s3s lacks: a sentence for people, and the request's id.
pub fn complete(document: &str, id: &str) -> Option<String> {
    let body = document.strip_suffix("</Error>")?;
    let (_, code) = body.split_once("<Code>")?;
    let sentence = match code.split_once("</Code>")?.0 {
        _ if body.contains("<Message>") => None,
        "SignatureDoesNotMatch" => Some(
            "the signature is not the one computed here: check the secret access key, the clock, \
             and that nothing between changes the request",
        ),
        "InvalidBucketName" => Some("the specified bucket is not valid"),
        "InvalidURI" => Some("the specified URI could not be parsed: a path is UTF-8"),
        "KeyTooLongError" => Some("a key has at most 1,024 bytes"),
        "MalformedXML" => Some("the document is not well-formed, or not what this operation takes"),
        "MethodNotAllowed" => Some("this method is not allowed here"),
        "MalformedPOSTRequest" => Some("objects cannot be posted in forms here"),
        "MissingRequestBodyError" => Some("this operation takes a document, and the body is empty"),
        "MissingContentLength" => Some("say in Content-Length how long the body is"),
        _ => None,
    };
    let sentence = sentence
        .map(|it| format!("<Message>{it}</Message>"))
        .unwrap_or_default();
    Some(format!(
        "{body}{sentence}<RequestId>{id}</RequestId></Error>"
    ))
}

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
    Precondition,
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
    /// A bucket is wanted elsewhere.
    #[error("the location constraint {named} is not {here}, where this is")]
    Location {
        /// The region that is wanted.
        named: String,
        /// The region that this is.
        here: String,
    },
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Denied => S3ErrorCode::AccessDenied,
            Refusal::UnknownKey => S3ErrorCode::InvalidAccessKeyId,
            Refusal::NoSuchKey => S3ErrorCode::NoSuchKey,
            Refusal::Precondition => S3ErrorCode::PreconditionFailed,
            Refusal::Argument(_) => S3ErrorCode::InvalidArgument,
            Refusal::Unsigned(_) | Refusal::OtherBucket { .. } => S3ErrorCode::InvalidRequest,
            Refusal::NoSuchBucket | Refusal::OtherNamespace => S3ErrorCode::NoSuchBucket,
            Refusal::Path => S3ErrorCode::InvalidURI,
            Refusal::NotBuilt(_) => S3ErrorCode::NotImplemented,
            Refusal::Document(_) => S3ErrorCode::MalformedXML,
            Refusal::GrantsInTheWay => S3ErrorCode::InvalidBucketAclWithObjectOwnership,
            Refusal::Location { .. } => S3ErrorCode::IllegalLocationConstraintException,
        };
        error(code, &refusal)
    }
}

fn error(code: S3ErrorCode, sentence: &dyn std::fmt::Display) -> S3Error {
    S3Error::with_message(code, sentence.to_string())
}

/// What is passing: the client should come back in a second.
fn passing(sentence: &dyn std::fmt::Display) -> S3Error {
    let mut error = error(S3ErrorCode::ServiceUnavailable, sentence);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    error.set_headers(headers);
    error
}

/// S3 knows no full disk. 507 says it, and no SDK repeats a request for it.
fn no_space() -> S3Error {
    let mut error = error(
        S3ErrorCode::Custom("InsufficientStorage".into()),
        &"the pool is full: delete objects, or ask the operator to add a disk",
    );
    error.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    error
}

/// The cause goes into the log and not to the client.
fn internal(cause: &dyn std::fmt::Display) -> S3Error {
    tracing::error!(%cause, "a request failed");
    error(
        S3ErrorCode::InternalError,
        &"we met an internal error: it is in the server's log",
    )
}

/// Why a change was not made.
pub fn change(refusal: &ChangeError) -> S3Error {
    match refusal {
        ChangeError::SourceConditionFailed(Precondition::Sequence)
        | ChangeError::ConditionFailed(Precondition::Sequence) => error(
            S3ErrorCode::OperationAborted,
            &"the object was changed by another request meanwhile: repeat this one",
        ),
        ChangeError::ConditionFailed(_) | ChangeError::SourceConditionFailed(_) => {
            Refusal::Precondition.into()
        }
        ChangeError::NoSuchKey | ChangeError::NoSuchSource => Refusal::NoSuchKey.into(),
        ChangeError::InvalidRange => error(S3ErrorCode::InvalidArgument, refusal),
        ChangeError::Quota => {
            let code = S3ErrorCode::Custom("QuotaExceeded".into());
            let mut error = error(code, refusal);
            error.set_status_code(StatusCode::FORBIDDEN);
            error
        }
        ChangeError::NoSuchUpload => MultipartError::NoSuchUpload.into(),
        ChangeError::InvalidPart(number) => MultipartError::InvalidPart(*number).into(),
        ChangeError::NoSpace => no_space(),
        ChangeError::TooLarge => error(S3ErrorCode::InvalidRequest, refusal),
        ChangeError::Closed(cause) => {
            tracing::warn!(%cause, "a change failed: the bucket was closed");
            passing(&"the bucket is being opened again: repeat the request")
        }
    }
}

/// Why something could not be read.
pub fn read(refusal: &ReadError) -> S3Error {
    match refusal {
        ReadError::Damaged { .. } => internal(refusal),
        ReadError::Closed(cause) => {
            tracing::warn!(%cause, "a read failed: the bucket was closed");
            passing(&"the bucket is being opened again: repeat the request")
        }
    }
}

/// Why a record could not be read or changed.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub fn record(refusal: RecordError) -> S3Error {
    match &refusal {
        RecordError::Unavailable(cause) => {
            tracing::warn!(%cause, "the metadata store does not answer");
            passing(&"the service is not available now: repeat the request")
        }
        RecordError::Damaged(_) | RecordError::Newer { .. } => internal(&refusal),
    }
}

/// Why a key could not be looked up.
pub fn accounts(refusal: AccountsError) -> S3Error {
    match refusal {
        AccountsError::Records(refusal) => record(refusal),
        AccountsError::Unsealable(_) => internal(&refusal),
    }
}

/// Why a bucket cannot be opened.
pub fn open(refusal: OpenBucketError) -> S3Error {
    match refusal {
        OpenBucketError::Provisioning | OpenBucketError::Unavailable(_) => passing(&refusal),
        OpenBucketError::NoSuchBucket => Refusal::NoSuchBucket.into(),
        OpenBucketError::NoSpace => no_space(),
        OpenBucketError::Damaged(_) => internal(&refusal),
        OpenBucketError::Records(refusal) => record(refusal),
    }
}

/// Why a bucket cannot be made.
pub fn create(refusal: CreateBucketError) -> S3Error {
    let code = match refusal {
        CreateBucketError::AlreadyYours => S3ErrorCode::BucketAlreadyOwnedByYou,
        CreateBucketError::Taken => S3ErrorCode::BucketAlreadyExists,
        CreateBucketError::BeingDeleted => S3ErrorCode::OperationAborted,
        CreateBucketError::NoSuchNamespace => S3ErrorCode::AccessDenied,
        CreateBucketError::TooMany => S3ErrorCode::TooManyBuckets,
        CreateBucketError::NoSpace => return no_space(),
        CreateBucketError::Records(refusal) => return record(refusal),
    };
    error(code, &refusal)
}

/// Why a bucket cannot be deleted.
pub fn delete(refusal: DeleteBucketError) -> S3Error {
    match refusal {
        DeleteBucketError::NoSuchBucket => Refusal::NoSuchBucket.into(),
        DeleteBucketError::NotEmpty => error(S3ErrorCode::BucketNotEmpty, &refusal),
        DeleteBucketError::Open(refusal) => open(refusal),
        DeleteBucketError::Records(refusal) => record(refusal),
    }
}

/// Why a bucket cannot be configured.
pub fn configure(refusal: ConfigureError) -> S3Error {
    match refusal {
        ConfigureError::NoSuchBucket => Refusal::NoSuchBucket.into(),
        ConfigureError::Records(refusal) => record(refusal),
    }
}

/// Why a text is no name of a bucket.
pub fn bucket_name(refusal: BucketNameError) -> S3Error {
    error(S3ErrorCode::InvalidBucketName, &refusal)
}

impl From<HostError> for S3Error {
    fn from(refusal: HostError) -> Self {
        error(S3ErrorCode::InvalidRequest, &refusal)
    }
}

impl From<NotBuilt> for S3Error {
    fn from(refusal: NotBuilt) -> Self {
        error(S3ErrorCode::NotImplemented, &refusal)
    }
}

impl From<SignedError> for S3Error {
    fn from(refusal: SignedError) -> Self {
        let code = match refusal {
            SignedError::Mechanism | SignedError::Contradiction(_) => S3ErrorCode::InvalidRequest,
            SignedError::Both => S3ErrorCode::InvalidArgument,
            SignedError::Header => S3ErrorCode::AuthorizationHeaderMalformed,
            SignedError::Query | SignedError::Expires => {
                S3ErrorCode::AuthorizationQueryParametersError
            }
            SignedError::Unsigned(_) => S3ErrorCode::AccessDenied,
        };
        error(code, &refusal)
    }
}

impl From<TokenError> for S3Error {
    fn from(refusal: TokenError) -> Self {
        error(S3ErrorCode::InvalidArgument, &refusal)
    }
}

impl From<WriteConditionError> for S3Error {
    fn from(refusal: WriteConditionError) -> Self {
        error(S3ErrorCode::NotImplemented, &refusal)
    }
}

impl From<RangeError> for S3Error {
    fn from(refusal: RangeError) -> Self {
        match refusal {
            RangeError::Unsatisfiable { .. } => error(S3ErrorCode::InvalidRange, &refusal),
            RangeError::NoSuchPart(_) => {
                let mut error = error(S3ErrorCode::Custom("InvalidPartNumber".into()), &refusal);
                error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
                error
            }
            RangeError::Both => error(S3ErrorCode::InvalidRequest, &refusal),
        }
    }
}

impl From<AttributesError> for S3Error {
    fn from(refusal: AttributesError) -> Self {
        let code = match refusal {
            AttributesError::MetadataTooLarge(_) => S3ErrorCode::MetadataTooLarge,
            AttributesError::NotUtf8(_) => S3ErrorCode::InvalidArgument,
        };
        error(code, &refusal)
    }
}

/// Why a text is no key.
pub fn key(refusal: KeyError) -> S3Error {
    match refusal {
        KeyError::Empty => error(S3ErrorCode::InvalidURI, &refusal),
        KeyError::TooLong(_) => error(S3ErrorCode::KeyTooLongError, &refusal),
    }
}

impl From<PayloadError> for S3Error {
    fn from(refusal: PayloadError) -> Self {
        let code = match &refusal {
            PayloadError::NoLength => S3ErrorCode::MissingContentLength,
            PayloadError::TooLong(_) => S3ErrorCode::EntityTooLarge,
            PayloadError::Incomplete => S3ErrorCode::IncompleteBody,
            PayloadError::TimedOut => S3ErrorCode::RequestTimeout,
            PayloadError::Header(_) => S3ErrorCode::InvalidArgument,
            PayloadError::Chunked(chunked) => match chunked {
                ChunkedError::Malformed => S3ErrorCode::InvalidRequest,
                ChunkedError::Truncated | ChunkedError::Length => S3ErrorCode::IncompleteBody,
                ChunkedError::Signature => S3ErrorCode::SignatureDoesNotMatch,
                ChunkedError::Trailers => return malformed_trailer(&refusal),
            },
        };
        error(code, &refusal)
    }
}

fn malformed_trailer(refusal: &PayloadError) -> S3Error {
    let mut error = error(S3ErrorCode::Custom("MalformedTrailerError".into()), refusal);
    error.set_status_code(StatusCode::BAD_REQUEST);
    error
}

impl From<IngestError> for S3Error {
    fn from(refusal: IngestError) -> Self {
        let code = match &refusal {
            IngestError::Payload(payload) => return payload.clone().into(),
            IngestError::Change(refused) => return change(refused),
            IngestError::InvalidMd5 => S3ErrorCode::InvalidDigest,
            IngestError::InvalidChecksum(_)
            | IngestError::ManyChecksums
            | IngestError::UnknownAlgorithm => S3ErrorCode::InvalidRequest,
            IngestError::BadDigest(_) => S3ErrorCode::BadDigest,
            IngestError::Sha256Mismatch => {
                let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
                let mut error = error(code, &refusal);
                error.set_status_code(StatusCode::BAD_REQUEST);
                return error;
            }
        };
        error(code, &refusal)
    }
}

impl From<DocumentError> for S3Error {
    fn from(refusal: DocumentError) -> Self {
        let code = match &refusal {
            DocumentError::Ingest(ingest) => return ingest.clone().into(),
            DocumentError::Busy => return passing(&refusal),
            DocumentError::TooLong { .. } => S3ErrorCode::MaxMessageLengthExceeded,
        };
        error(code, &refusal)
    }
}

impl From<MultipartError> for S3Error {
    fn from(refusal: MultipartError) -> Self {
        let code = match &refusal {
            MultipartError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            MultipartError::InvalidPart(_) => S3ErrorCode::InvalidPart,
            MultipartError::Order => S3ErrorCode::InvalidPartOrder,
            MultipartError::TooSmall { .. } => S3ErrorCode::EntityTooSmall,
            MultipartError::NoParts => S3ErrorCode::MalformedXML,
            MultipartError::PartNumber => S3ErrorCode::InvalidArgument,
            MultipartError::Checksum => S3ErrorCode::BadDigest,
            MultipartError::Size { .. } | MultipartError::Kind | MultipartError::Combine(_) => {
                S3ErrorCode::InvalidRequest
            }
        };
        error(code, &refusal)
    }
}

impl From<CombineError> for S3Error {
    fn from(refusal: CombineError) -> Self {
        MultipartError::from(refusal).into()
    }
}
