//! From our refusals to S3's codes: the one place where that is decided.

mod settings;

pub use settings::policy;

use std::fmt::Display;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use s3d_bucket::{ChangeError, KeyError, Precondition, ReadError};
use s3s::{S3Error, S3ErrorCode};

use super::appending::AppendError;
use super::attributes::AttributesError;
use super::checksum::CombineError;
use super::chunked::ChunkedError;
use super::details::with_details;
use super::document::DocumentError;
use super::elsewhere::ElsewhereError;
use super::form::{FormError, PolicyError};
use super::host::HostError;
use super::ingest::IngestError;
use super::payload::PayloadError;
use super::range::RangeError;
use super::refusal::Refusal;
use super::signature::SignatureError;
use super::signature::time::MAX_SKEW;
use super::supported::Unsupported;
use super::token::TokenError;
use super::upload::MultipartError;
use s3d_accounts::AccountsError;
use s3d_buckets::{ConfigureError, CreateBucketError, DeleteBucketError, OpenBucketError};
use s3d_names::BucketNameError;
use s3d_records::RecordError;

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Denied | Refusal::PublicPolicy => S3ErrorCode::AccessDenied,
            Refusal::UnknownKey => S3ErrorCode::InvalidAccessKeyId,
            Refusal::NoSuchKey => S3ErrorCode::NoSuchKey,
            Refusal::Precondition(unmet) => {
                let error = error(S3ErrorCode::PreconditionFailed, &refusal);
                return with_details(error, &[("Condition", &unmet)]);
            }
            Refusal::SourcePrecondition(unmet) => {
                let error = error(S3ErrorCode::PreconditionFailed, &refusal);
                let condition = format!("x-amz-copy-source-{unmet}");
                return with_details(error, &[("Condition", &condition)]);
            }
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

fn error(code: S3ErrorCode, sentence: &dyn Display) -> S3Error {
    S3Error::with_message(code, sentence.to_string())
}

/// With a code that s3s does not know.
fn coded(code: &'static str, status: StatusCode, sentence: &dyn Display) -> S3Error {
    let mut error = error(S3ErrorCode::Custom(code.into()), sentence);
    error.set_status_code(status);
    error
}

/// What is passing: the client should come back in a second.
fn passing(sentence: &dyn Display) -> S3Error {
    let mut error = error(S3ErrorCode::ServiceUnavailable, sentence);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    error.set_headers(headers);
    error
}

/// S3 knows no full disk. 507 says it, and no SDK repeats a request for it.
fn no_space() -> S3Error {
    let sentence = "the pool is full: delete objects, or ask the operator to add a disk";
    coded(
        "InsufficientStorage",
        StatusCode::INSUFFICIENT_STORAGE,
        &sentence,
    )
}

/// The cause goes into the log and not to the client.
fn internal(cause: &dyn Display) -> S3Error {
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
        ChangeError::ConditionFailed(unmet) => Refusal::Precondition(*unmet).into(),
        ChangeError::SourceConditionFailed(unmet) => Refusal::SourcePrecondition(*unmet).into(),
        ChangeError::NoSuchKey | ChangeError::NoSuchSource => Refusal::NoSuchKey.into(),
        ChangeError::NothingToRename => error(S3ErrorCode::NoSuchKey, refusal),
        ChangeError::WriteOffset => AppendError::WriteOffset.into(),
        ChangeError::TokenReused => coded(
            "IdempotencyParameterMismatch",
            StatusCode::BAD_REQUEST,
            refusal,
        ),
        ChangeError::InvalidRange => error(S3ErrorCode::InvalidArgument, refusal),
        ChangeError::Quota => coded("QuotaExceeded", StatusCode::FORBIDDEN, refusal),
        ChangeError::NoSuchUpload => MultipartError::NoSuchUpload.into(),
        ChangeError::InvalidPart(number) => MultipartError::InvalidPart(*number).into(),
        ChangeError::PrefixesOverlap | ChangeError::KeyTooLong => {
            error(S3ErrorCode::InvalidArgument, refusal)
        }
        ChangeError::PrefixNotEmpty => coded("PrefixNotEmpty", StatusCode::CONFLICT, refusal),
        ChangeError::RenameRunning => error(S3ErrorCode::OperationAborted, refusal),
        ChangeError::NoSpace => no_space(),
        ChangeError::TooLarge => error(S3ErrorCode::InvalidRequest, refusal),
        ChangeError::BodyLost => {
            tracing::warn!("the volume daemon was restarted and lost bytes of a body");
            passing(&"bytes of the body were lost on their way to the disk: repeat the request")
        }
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
        OpenBucketError::Provisioning
        | OpenBucketError::ServedElsewhere(_)
        | OpenBucketError::Unavailable(_) => passing(&refusal),
        OpenBucketError::NoSuchBucket => Refusal::NoSuchBucket.into(),
        OpenBucketError::NoSpace => no_space(),
        OpenBucketError::Damaged(_) => internal(&refusal),
        OpenBucketError::Records(refusal) => record(refusal),
    }
}

/// Why what another node serves cannot be read.
pub fn elsewhere(refusal: &ElsewhereError) -> S3Error {
    tracing::warn!(%refusal, "a copy failed");
    passing(refusal)
}

/// Why a bucket cannot be made.
pub fn create(refusal: CreateBucketError) -> S3Error {
    let code = match refusal {
        CreateBucketError::AlreadyYours => S3ErrorCode::BucketAlreadyOwnedByYou,
        CreateBucketError::Taken => S3ErrorCode::BucketAlreadyExists,
        CreateBucketError::BeingDeleted => S3ErrorCode::OperationAborted,
        CreateBucketError::NoSuchNamespace => S3ErrorCode::AccessDenied,
        CreateBucketError::TooMany(_) => S3ErrorCode::TooManyBuckets,
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

impl From<Unsupported> for S3Error {
    fn from(refusal: Unsupported) -> Self {
        match &refusal {
            Unsupported::Header(name) if name == "x-amz-security-token" => {
                let sentence =
                    "the provided token is invalid: there are no temporary credentials here";
                coded("InvalidToken", StatusCode::BAD_REQUEST, &sentence)
            }
            Unsupported::Header(name) => {
                let error = error(S3ErrorCode::NotImplemented, &refusal);
                with_details(error, &[("Header", name)])
            }
            _ => error(S3ErrorCode::NotImplemented, &refusal),
        }
    }
}

impl From<SignatureError> for S3Error {
    fn from(refusal: SignatureError) -> Self {
        let code = match &refusal {
            SignatureError::UnsignedQuery(_)
            | SignatureError::NoPayloadHash
            | SignatureError::Contradiction(_) => S3ErrorCode::InvalidRequest,
            SignatureError::MalformedVersion2
            | SignatureError::Mechanism
            | SignatureError::Twice
            | SignatureError::PayloadHash
            | SignatureError::NoHeader(_) => S3ErrorCode::InvalidArgument,
            SignatureError::Header(_) => S3ErrorCode::AuthorizationHeaderMalformed,
            SignatureError::Query(_) => S3ErrorCode::AuthorizationQueryParametersError,
            SignatureError::Expires => {
                let code = S3ErrorCode::AuthorizationQueryParametersError;
                let mut error = error(code, &refusal);
                error.set_status_code(StatusCode::FORBIDDEN);
                return error;
            }
            SignatureError::Expired
            | SignatureError::NotYetValid
            | SignatureError::NoDate
            | SignatureError::Version2Query
            | SignatureError::Unsigned(_) => S3ErrorCode::AccessDenied,
            SignatureError::Skewed => {
                let error = error(S3ErrorCode::RequestTimeTooSkewed, &refusal);
                let most = MAX_SKEW * 1000;
                return with_details(error, &[("MaxAllowedSkewMilliseconds", &most)]);
            }
            SignatureError::Asymmetric => S3ErrorCode::NotImplemented,
            SignatureError::Mismatch => S3ErrorCode::SignatureDoesNotMatch,
        };
        error(code, &refusal)
    }
}

impl From<TokenError> for S3Error {
    fn from(refusal: TokenError) -> Self {
        error(S3ErrorCode::InvalidArgument, &refusal)
    }
}

impl From<RangeError> for S3Error {
    fn from(refusal: RangeError) -> Self {
        match refusal {
            RangeError::Unsatisfiable { range, size } => {
                let error = error(S3ErrorCode::InvalidRange, &refusal);
                let details: [(_, &dyn Display); 2] =
                    [("RangeRequested", &range), ("ActualObjectSize", &size)];
                with_details(error, &details)
            }
            RangeError::NoSuchPart(_) => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                coded("InvalidPartNumber", status, &refusal)
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
            PayloadError::TooLong(_) | PayloadError::FileTooLong(_) => S3ErrorCode::EntityTooLarge,
            PayloadError::FileTooShort(_) => S3ErrorCode::EntityTooSmall,
            PayloadError::Incomplete => S3ErrorCode::IncompleteBody,
            PayloadError::TimedOut => S3ErrorCode::RequestTimeout,
            PayloadError::Header(_) => S3ErrorCode::InvalidArgument,
            PayloadError::Chunked(chunked) => match chunked {
                ChunkedError::Malformed => S3ErrorCode::InvalidRequest,
                ChunkedError::Truncated | ChunkedError::Length => S3ErrorCode::IncompleteBody,
                ChunkedError::Signature => S3ErrorCode::SignatureDoesNotMatch,
                ChunkedError::Trailers => {
                    return coded("MalformedTrailerError", StatusCode::BAD_REQUEST, &refusal);
                }
            },
        };
        error(code, &refusal)
    }
}

impl From<IngestError> for S3Error {
    fn from(refusal: IngestError) -> Self {
        let code = match &refusal {
            IngestError::Payload(payload) => return payload.clone().into(),
            IngestError::Change(refused) => return change(refused),
            IngestError::InvalidMd5 => S3ErrorCode::InvalidDigest,
            IngestError::ManyChecksums | IngestError::UnknownAlgorithm => {
                S3ErrorCode::InvalidRequest
            }
            // What is no checksum of its algorithm matches no bytes.
            IngestError::InvalidChecksum(_) | IngestError::BadDigest(_) => S3ErrorCode::BadDigest,
            IngestError::Sha256Mismatch => {
                let code = "XAmzContentSHA256Mismatch";
                return coded(code, StatusCode::BAD_REQUEST, &refusal);
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
            DocumentError::Cdata => S3ErrorCode::MalformedXML,
        };
        error(code, &refusal)
    }
}

impl From<FormError> for S3Error {
    fn from(refusal: FormError) -> Self {
        let code = match &refusal {
            FormError::Malformed => S3ErrorCode::MalformedPOSTRequest,
            FormError::Missing(_) | FormError::Value => S3ErrorCode::InvalidArgument,
            FormError::TooLong => S3ErrorCode::MaxPostPreDataLengthExceededError,
            FormError::Tagging => S3ErrorCode::MalformedXML,
            FormError::Policy(PolicyError::Malformed(_)) => S3ErrorCode::InvalidPolicyDocument,
            FormError::Policy(_) => S3ErrorCode::AccessDenied,
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
