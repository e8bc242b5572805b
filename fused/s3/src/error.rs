//! What an S3 request can end in.

use http::StatusCode;
use serde::Deserialize;

/// Why a request failed, as far as a file system makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such object, upload or bucket.
    NotFound,
    /// What was demanded of the object as it stands does not hold.
    Precondition,
    /// The keys do not allow it.
    Denied,
    /// The bucket's quota or the pool is full.
    Full,
    /// The server does not know the operation.
    NotImplemented,
    /// The range lies behind the object's end.
    Range,
    /// The server could not be reached, or could not serve, for as long as was waited.
    Unavailable,
    /// Anything else.
    Other,
}

/// A request that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub struct S3Error {
    /// What a caller may act on.
    pub kind: ErrorKind,
    /// S3's code, such as `NoSuchKey`, or a word for what happened on the way.
    pub code: String,
    /// The server's sentence.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Document {
    code: String,
    message: String,
}

impl S3Error {
    /// The server did not answer, or not in HTTP.
    pub(crate) fn unreachable(error: impl std::fmt::Display) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            code: "Unreachable".into(),
            message: error.to_string(),
        }
    }

    /// The server's answer makes no sense.
    pub(crate) fn nonsense(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Other,
            code: "UnexpectedAnswer".into(),
            message: message.into(),
        }
    }

    /// What an answer with an error status says; `body` may be empty, as that of a HEAD is.
    pub(crate) fn of_answer(status: StatusCode, body: &[u8]) -> Self {
        let document: Document = std::str::from_utf8(body)
            .ok()
            .and_then(|text| quick_xml::de::from_str(text).ok())
            .unwrap_or_default();
        let kind = kind(status, &document.code);
        let code = if document.code.is_empty() {
            status
                .canonical_reason()
                .unwrap_or("Error")
                .replace(' ', "")
        } else {
            document.code
        };
        let message = if document.message.is_empty() {
            format!("the server answered {status}")
        } else {
            document.message
        };
        Self {
            kind,
            code,
            message,
        }
    }
}

fn kind(status: StatusCode, code: &str) -> ErrorKind {
    match code {
        "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "EntityTooLarge" => {
            return ErrorKind::Full;
        }
        "NotImplemented" | "MethodNotAllowed" => return ErrorKind::NotImplemented,
        _ => {}
    }
    match status {
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => ErrorKind::Precondition,
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ErrorKind::Denied,
        StatusCode::INSUFFICIENT_STORAGE => ErrorKind::Full,
        StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => ErrorKind::NotImplemented,
        StatusCode::RANGE_NOT_SATISFIABLE => ErrorKind::Range,
        status if passes_by_itself(status) => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    }
}

/// Whether the same request may succeed later.
pub(crate) fn passes_by_itself(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_TIMEOUT
    )
}
