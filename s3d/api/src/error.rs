//! Every refusal of the API: its HTTP status, a code for programs, a sentence for people, and a
//! sentence for each field that is wrong. The only place where errors become statuses.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use s3d_accounts::{
    AuthenticateError, CreateKeyError, CreateNamespaceError, LoginError, SignUpError, TokenError,
};
use s3d_buckets::{CreateBucketError, CreateBucketKeyError, DeleteBucketError, OpenBucketError};
use s3d_records::RecordError;

/// A refusal.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Body,
    retry_after: Option<Duration>,
}

#[derive(Debug, Serialize)]
struct Body {
    code: &'static str,
    message: String,
    fields: BTreeMap<String, String>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Display) -> Self {
        Self {
            status,
            body: Body {
                code,
                message: message.to_string(),
                fields: BTreeMap::new(),
            },
            retry_after: None,
        }
    }

    /// The message is one about a field.
    fn about(mut self, field: &str) -> Self {
        self.body
            .fields
            .insert(field.to_owned(), self.body.message.clone());
        self
    }

    fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub fn invalid_fields(fields: BTreeMap<String, String>) -> Self {
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let message = format!("Correct these fields: {}.", names.join(", "));
        let mut error = Self::new(StatusCode::BAD_REQUEST, "InvalidFields", message);
        error.body.fields = fields;
        error
    }

    pub fn invalid_json(why: impl Display) -> Self {
        let message = format!("The body is not valid JSON: {why}.");
        Self::new(StatusCode::BAD_REQUEST, "InvalidJSON", message)
    }

    pub fn not_an_object() -> Self {
        let message = "The body must be a JSON object, such as {\"name\": \"my-bucket\"}.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidJSON", message)
    }

    pub fn broken_body() -> Self {
        let message = "The body ended before its announced length; send it again.";
        Self::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
    }

    pub fn body_too_large(limit: usize) -> Self {
        let message = format!("The body has more than {limit} bytes; no call needs that many.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", message)
    }

    pub fn token_missing() -> Self {
        let message = "Sign in at /api/v1/auth/login and send the header \
                       \"Authorization: Bearer <accessToken>\".";
        Self::new(StatusCode::UNAUTHORIZED, "TokenMissing", message)
    }

    pub fn no_such_bucket() -> Self {
        let message = "You have no bucket of this name.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucket", message)
    }

    pub fn no_such_key() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NoSuchKey",
            "You have no key of this id.",
        )
    }

    pub fn no_such_namespace() -> Self {
        let message = "You belong to no namespace of this name.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchNamespace", message).about("namespace")
    }

    pub fn no_such_call() -> Self {
        let message = "There is no such call; /openapi.json lists them.";
        Self::new(StatusCode::NOT_FOUND, "NoSuchCall", message)
    }

    pub fn wrong_method() -> Self {
        let message = "This path does not take this method; /openapi.json lists the calls.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    fn conflict(code: &'static str, error: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, code, error)
    }

    fn busy(error: impl Display) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "Busy", error);
        error.retry_after(Duration::from_secs(1))
    }

    fn throttled(error: impl Display, after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyAttempts", error).retry_after(after)
    }

    fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", message)
            .retry_after(Duration::from_secs(1))
    }

    /// The cause is for the operator's log.
    fn internal(cause: &dyn Display) -> Self {
        tracing::error!(%cause, "a call of the REST API failed");
        let message = "The server found something wrong with what it stores; tell its operator.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            // Rounded up: an attempt at that time must not come too early.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs() + 1));
        }
        response
    }
}

impl From<RecordError> for ApiError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Unavailable(cause) => {
                tracing::warn!(%cause, "the metadata store does not answer");
                Self::unavailable("The metadata store does not answer; try again in a moment.")
            }
            RecordError::Damaged(_) | RecordError::Newer { .. } => Self::internal(&error),
        }
    }
}

impl From<SignUpError> for ApiError {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::EmailTaken => Self::conflict("EmailTaken", error).about("email"),
            SignUpError::NamespaceTaken => {
                Self::conflict("NamespaceTaken", error).about("namespace")
            }
            SignUpError::Throttled(after) => Self::throttled(error, after),
            SignUpError::Busy => Self::busy(error),
            SignUpError::Records(error) => error.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::new(StatusCode::UNAUTHORIZED, "WrongCredentials", error),
            LoginError::Throttled(after) => Self::throttled(error, after),
            LoginError::Busy => Self::busy(error),
            LoginError::Records(error) => error.into(),
        }
    }
}

impl From<AuthenticateError> for ApiError {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Token(TokenError::Expired) => {
                Self::new(StatusCode::UNAUTHORIZED, "TokenExpired", error)
            }
            AuthenticateError::Token(TokenError::Invalid) => {
                Self::new(StatusCode::UNAUTHORIZED, "TokenInvalid", error)
            }
            AuthenticateError::Records(error) => error.into(),
        }
    }
}

impl From<CreateNamespaceError> for ApiError {
    fn from(error: CreateNamespaceError) -> Self {
        match error {
            CreateNamespaceError::Taken => Self::conflict("NamespaceTaken", error).about("name"),
            CreateNamespaceError::TooMany => Self::conflict("TooManyNamespaces", error),
            CreateNamespaceError::Records(error) => error.into(),
        }
    }
}

impl From<CreateKeyError> for ApiError {
    fn from(error: CreateKeyError) -> Self {
        match error {
            CreateKeyError::Gone => Self::no_such_namespace(),
            CreateKeyError::TooMany => Self::conflict("TooManyKeys", error),
            CreateKeyError::Records(error) => error.into(),
        }
    }
}

impl From<CreateBucketKeyError> for ApiError {
    fn from(error: CreateBucketKeyError) -> Self {
        match error {
            CreateBucketKeyError::NoSuchBucket => Self::no_such_bucket(),
            CreateBucketKeyError::Key(error) => error.into(),
            CreateBucketKeyError::Records(error) => error.into(),
        }
    }
}

impl From<CreateBucketError> for ApiError {
    fn from(error: CreateBucketError) -> Self {
        match error {
            CreateBucketError::AlreadyYours => {
                Self::conflict("BucketAlreadyOwnedByYou", error).about("name")
            }
            CreateBucketError::Taken => Self::conflict("BucketAlreadyExists", error).about("name"),
            CreateBucketError::BeingDeleted => {
                Self::conflict("BucketBeingDeleted", error).about("name")
            }
            CreateBucketError::NoSuchNamespace => Self::no_such_namespace(),
            CreateBucketError::TooMany => Self::conflict("TooManyBuckets", error),
            CreateBucketError::NoSpace => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "NoSpace", error)
            }
            CreateBucketError::Records(error) => error.into(),
        }
    }
}

impl From<DeleteBucketError> for ApiError {
    fn from(error: DeleteBucketError) -> Self {
        match error {
            DeleteBucketError::NoSuchBucket => Self::no_such_bucket(),
            DeleteBucketError::NotEmpty => {
                let message = "The bucket is not empty; delete its objects first, or add \
                               ?force=true to delete them with it.";
                Self::conflict("BucketNotEmpty", message)
            }
            DeleteBucketError::Open(error) => error.into(),
            DeleteBucketError::Records(error) => error.into(),
        }
    }
}

impl From<OpenBucketError> for ApiError {
    fn from(error: OpenBucketError) -> Self {
        match error {
            OpenBucketError::NoSuchBucket => Self::no_such_bucket(),
            OpenBucketError::Provisioning | OpenBucketError::Unavailable(_) => {
                tracing::warn!(%error, "a bucket is not available");
                Self::unavailable("The bucket is not available now; try again in a moment.")
            }
            OpenBucketError::NoSpace => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "NoSpace", error)
            }
            OpenBucketError::Damaged(_) => Self::internal(&error),
            OpenBucketError::Records(error) => error.into(),
        }
    }
}
