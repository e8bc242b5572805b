//! What each error of the crates below means to a caller.

use std::time::Duration;

use axum::http::StatusCode;
use s3d_accounts::{
    AccountsError, AuthenticateError, ChangeMemberError, CreateKeyError, CreateNamespaceError,
    InvitationError, LoginError, MailLinkError, SealError, SignInCodeError, SignUpError, Throttled,
    TokenError,
};
use s3d_audit::AuditError;
use s3d_bucket::{ChangeError, ChangesError, ReadError};
use s3d_buckets::{
    ConfigureError, CreateBucketError, CreateBucketKeyError, CreateWithKeyError, DeleteBucketError,
    OpenBucketError, RenamePrefixError,
};
use s3d_records::RecordError;

use super::ApiError;
use crate::archive::ArchiveError;

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

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        Self::internal(&error)
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::Records(error) => error.into(),
            AccountsError::Unsealable(_) => Self::internal(&error),
        }
    }
}

impl From<SignUpError> for ApiError {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::Closed => Self::new(StatusCode::FORBIDDEN, "SignUpClosed", error),
            SignUpError::Invitation(error) => error.into(),
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

impl From<SignInCodeError> for ApiError {
    fn from(error: SignInCodeError) -> Self {
        match error {
            SignInCodeError::Unknown => Self::new(StatusCode::UNAUTHORIZED, "WrongCode", error),
            SignInCodeError::Records(error) => error.into(),
        }
    }
}

impl From<MailLinkError> for ApiError {
    fn from(error: MailLinkError) -> Self {
        match error {
            MailLinkError::Unknown => Self::new(StatusCode::FORBIDDEN, "LinkUnknown", error),
            MailLinkError::Busy => Self::busy(error),
            MailLinkError::Records(error) => error.into(),
        }
    }
}

impl From<Throttled> for ApiError {
    fn from(throttled: Throttled) -> Self {
        let message = "Too many attempts; try again in a while.";
        Self::throttled(message, throttled.retry_after)
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

impl From<InvitationError> for ApiError {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::Unknown => {
                Self::new(StatusCode::FORBIDDEN, "InvitationUnknown", error)
            }
            InvitationError::MemberAlready => Self::conflict("MemberAlready", error),
            InvitationError::ForSignUp => Self::conflict("InvitationForSignUp", error),
            InvitationError::TooMany => Self::conflict("TooManyInvitations", error),
            InvitationError::NoSuchNamespace => Self::no_such_namespace(),
            InvitationError::Records(error) => error.into(),
        }
    }
}

impl From<ChangeMemberError> for ApiError {
    fn from(error: ChangeMemberError) -> Self {
        match error {
            ChangeMemberError::NoSuchMember => Self::no_such_member(),
            ChangeMemberError::LastOwner => Self::conflict("LastOwner", error),
            ChangeMemberError::Records(error) => error.into(),
        }
    }
}

impl From<CreateKeyError> for ApiError {
    fn from(error: CreateKeyError) -> Self {
        match error {
            CreateKeyError::Gone => Self::no_such_namespace(),
            CreateKeyError::TooMany(_) => Self::conflict("TooManyKeys", error),
            CreateKeyError::Seal(error @ SealError::OtherKey { .. }) => Self::internal(&error),
            CreateKeyError::Seal(SealError::Records(error)) | CreateKeyError::Records(error) => {
                error.into()
            }
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
            CreateBucketError::TooMany(_) => Self::conflict("TooManyBuckets", error),
            CreateBucketError::NoSpace => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "NoSpace", error)
            }
            CreateBucketError::Records(error) => error.into(),
        }
    }
}

impl From<CreateWithKeyError> for ApiError {
    fn from(error: CreateWithKeyError) -> Self {
        match error {
            CreateWithKeyError::Bucket(error) => error.into(),
            CreateWithKeyError::Key(error) => error.into(),
            CreateWithKeyError::Rollback(error) => error.into(),
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

impl From<ChangesError> for ApiError {
    fn from(error: ChangesError) -> Self {
        match error {
            ChangesError::Gone { oldest } => {
                let message = format!(
                    "These changes are no longer kept; the oldest is {oldest}. Follow the bucket \
                     from now on, and list it anew."
                );
                Self::new(StatusCode::GONE, "ChangesGone", message)
            }
            ChangesError::Read(cause) => {
                tracing::warn!(%cause, "a change feed cannot be read");
                Self::unavailable("The bucket is not available now; try again in a moment.")
            }
        }
    }
}

impl From<RenamePrefixError> for ApiError {
    fn from(error: RenamePrefixError) -> Self {
        match error {
            RenamePrefixError::Denied => {
                let message = "The bucket's policy denies that some key below these prefixes is \
                               read, written or deleted; change it first.";
                Self::new(StatusCode::FORBIDDEN, "AccessDenied", message)
            }
            RenamePrefixError::Open(error) => error.into(),
            RenamePrefixError::Refused(error) => error.into(),
        }
    }
}

/// What a bucket refuses when a prefix is renamed; the rest of it is asked for by S3 only.
impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NothingToRename => {
                let message = "No key starts with this prefix.";
                Self::new(StatusCode::NOT_FOUND, "NoSuchPrefix", message).about("from")
            }
            ChangeError::PrefixNotEmpty => {
                let message = "There are keys under the new prefix already; delete them first, or \
                               say \"replaceMarker\": true if it is only a folder's marker.";
                Self::conflict("PrefixNotEmpty", message).about("to")
            }
            ChangeError::PrefixesOverlap => {
                let message = "One prefix starts with the other; rename to one beside it first.";
                Self::new(StatusCode::BAD_REQUEST, "PrefixesOverlap", message).about("to")
            }
            ChangeError::KeyTooLong => {
                let message = "A key would have more than 1024 bytes under the new prefix.";
                Self::new(StatusCode::BAD_REQUEST, "KeyTooLong", message).about("to")
            }
            ChangeError::RenameRunning => {
                let message = "The bucket is still busy with an earlier rename of a prefix; try \
                               again in a moment.";
                let error = Self::conflict("RenameRunning", message);
                error.retry_after(Duration::from_secs(1))
            }
            ChangeError::NoSpace => {
                let message = "The pool has no space left.";
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "NoSpace", message)
            }
            ChangeError::Closed(cause) => {
                tracing::warn!(%cause, "a prefix was not renamed");
                Self::unavailable(
                    "The bucket was closed meanwhile, and the prefix may have been renamed; look \
                     again in a moment.",
                )
            }
            error => Self::internal(&error),
        }
    }
}

impl From<ArchiveError> for ApiError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Choice(_) => Self::new(StatusCode::BAD_REQUEST, "InvalidForm", error),
            ArchiveError::NoSuchKey(_) => Self::new(StatusCode::NOT_FOUND, "NoSuchKey", error),
            ArchiveError::Empty => Self::new(StatusCode::NOT_FOUND, "NoSuchPrefix", error),
            ArchiveError::Denied(_) | ArchiveError::Foreign(_) => {
                Self::new(StatusCode::FORBIDDEN, "AccessDenied", error)
            }
            ArchiveError::TooMany => Self::new(StatusCode::BAD_REQUEST, "ArchiveTooLarge", error),
            ArchiveError::Busy => Self::busy(error),
            ArchiveError::Read(ReadError::Damaged { .. }) => Self::internal(&error),
            ArchiveError::Read(ReadError::Closed(cause)) => {
                tracing::warn!(%cause, "an archive was not begun");
                Self::unavailable("The bucket is not available now; try again in a moment.")
            }
        }
    }
}

impl From<ConfigureError> for ApiError {
    fn from(error: ConfigureError) -> Self {
        match error {
            ConfigureError::NoSuchBucket => Self::no_such_bucket(),
            ConfigureError::Records(error) => error.into(),
        }
    }
}

impl From<OpenBucketError> for ApiError {
    fn from(error: OpenBucketError) -> Self {
        match error {
            OpenBucketError::NoSuchBucket => Self::no_such_bucket(),
            OpenBucketError::Provisioning
            | OpenBucketError::ServedElsewhere(_)
            | OpenBucketError::Unavailable(_) => {
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
