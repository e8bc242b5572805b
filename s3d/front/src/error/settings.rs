//! The same for what is set on buckets and objects.

use http::StatusCode;
use s3d_policy::PolicyError;
use s3s::{S3Error, S3ErrorCode};

use super::{coded, error};
use crate::acl::AclError;
use crate::appending::AppendError;
use crate::bucket_cors::CorsRuleError;
use crate::copy::CopyError;
use crate::cors::CorsError;
use crate::details::with_details;
use crate::patching::PatchError;
use crate::rename::RenameError;
use crate::tags::TagError;
use crate::unset::Unset;
use crate::versions::VersionError;

impl From<CorsError> for S3Error {
    fn from(refusal: CorsError) -> Self {
        match refusal {
            CorsError::NoOrigin | CorsError::Method => {
                coded("BadRequest", StatusCode::BAD_REQUEST, &refusal)
            }
            CorsError::NotEnabled | CorsError::NotAllowed => {
                coded("AccessForbidden", StatusCode::FORBIDDEN, &refusal)
            }
        }
    }
}

impl From<AclError> for S3Error {
    fn from(refusal: AclError) -> Self {
        let code = match &refusal {
            AclError::UnknownCanned(_) | AclError::UnknownId(_) | AclError::UnknownGroup(_) => {
                S3ErrorCode::InvalidArgument
            }
            AclError::NotBuilt(_) => S3ErrorCode::NotImplemented,
            AclError::Both | AclError::Missing => S3ErrorCode::InvalidRequest,
            AclError::Malformed(_) => S3ErrorCode::MalformedACLError,
            AclError::UnknownEmail(_) => S3ErrorCode::UnresolvableGrantByEmailAddress,
            AclError::AmbiguousEmail(_) => S3ErrorCode::AmbiguousGrantByEmailAddress,
            AclError::OtherOwner | AclError::Blocked => S3ErrorCode::AccessDenied,
            AclError::Disabled => S3ErrorCode::AccessControlListNotSupported,
        };
        error(code, &refusal)
    }
}

impl From<TagError> for S3Error {
    fn from(refusal: TagError) -> Self {
        error(S3ErrorCode::InvalidTag, &refusal)
    }
}

impl From<CorsRuleError> for S3Error {
    fn from(refusal: CorsRuleError) -> Self {
        let code = match refusal {
            CorsRuleError::Count | CorsRuleError::Nothing => S3ErrorCode::MalformedXML,
            CorsRuleError::Method(_) | CorsRuleError::Wildcards(_) | CorsRuleError::Exposed(_) => {
                S3ErrorCode::InvalidRequest
            }
        };
        error(code, &refusal)
    }
}

impl From<VersionError> for S3Error {
    fn from(refusal: VersionError) -> Self {
        let code = match refusal {
            VersionError::Missing => S3ErrorCode::NoSuchVersion,
            VersionError::Empty | VersionError::Malformed | VersionError::NoKey => {
                S3ErrorCode::InvalidArgument
            }
        };
        error(code, &refusal)
    }
}

impl From<Unset> for S3Error {
    fn from(refusal: Unset) -> Self {
        let code = match refusal {
            Unset::Policy => S3ErrorCode::NoSuchBucketPolicy,
            Unset::Lifecycle => S3ErrorCode::NoSuchLifecycleConfiguration,
            Unset::Encryption => S3ErrorCode::ServerSideEncryptionConfigurationNotFoundError,
            Unset::Website => S3ErrorCode::NoSuchWebsiteConfiguration,
            Unset::Replication => S3ErrorCode::ReplicationConfigurationNotFoundError,
            Unset::ObjectLock => S3ErrorCode::ObjectLockConfigurationNotFoundError,
            Unset::Retention => return error(S3ErrorCode::InvalidRequest, &refusal),
            Unset::Versioning => return error(S3ErrorCode::InvalidBucketState, &refusal),
            Unset::Tags => S3ErrorCode::NoSuchTagSet,
            Unset::Cors => S3ErrorCode::NoSuchCORSConfiguration,
            Unset::Ownership => S3ErrorCode::OwnershipControlsNotFoundError,
            Unset::PublicAccessBlock => {
                S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into())
            }
        };
        let mut error = error(code, &refusal);
        error.set_status_code(StatusCode::NOT_FOUND);
        error
    }
}

/// Why a document is no bucket policy.
pub fn policy(refusal: &PolicyError) -> S3Error {
    error(S3ErrorCode::MalformedPolicy, refusal)
}

impl From<AppendError> for S3Error {
    fn from(refusal: AppendError) -> Self {
        match refusal {
            AppendError::WriteOffset => {
                coded("InvalidWriteOffset", StatusCode::BAD_REQUEST, &refusal)
            }
            AppendError::Empty | AppendError::Described | AppendError::Algorithm { .. } => {
                error(S3ErrorCode::InvalidRequest, &refusal)
            }
        }
    }
}

impl From<PatchError> for S3Error {
    fn from(refusal: PatchError) -> Self {
        match refusal {
            PatchError::Ranges | PatchError::Directive => {
                error(S3ErrorCode::InvalidArgument, &refusal)
            }
            PatchError::Gap(_) => {
                let mut error = error(S3ErrorCode::InvalidRange, &refusal);
                error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
                error
            }
        }
    }
}

impl From<RenameError> for S3Error {
    fn from(refusal: RenameError) -> Self {
        let code = match &refusal {
            RenameError::Source | RenameError::Token => S3ErrorCode::InvalidArgument,
            RenameError::NoSuchKey { .. } => S3ErrorCode::NoSuchKey,
            RenameError::Body => S3ErrorCode::InvalidRequest,
            RenameError::Precondition(unmet) => {
                let error = error(S3ErrorCode::PreconditionFailed, &refusal);
                let condition = format!("x-amz-rename-source-{unmet}");
                return with_details(error, &[("Condition", &condition)]);
            }
        };
        error(code, &refusal)
    }
}

impl From<CopyError> for S3Error {
    fn from(refusal: CopyError) -> Self {
        let code = match refusal {
            CopyError::ToItself | CopyError::AccessPoint => S3ErrorCode::InvalidRequest,
            CopyError::Range | CopyError::Directive => S3ErrorCode::InvalidArgument,
            CopyError::Outside { .. } => {
                let mut error = error(S3ErrorCode::InvalidRange, &refusal);
                error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
                return error;
            }
        };
        error(code, &refusal)
    }
}
