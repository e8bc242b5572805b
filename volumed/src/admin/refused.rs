use std::collections::BTreeMap;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoResponses;
use utoipa::openapi::{Content, Ref, RefOr, Response as Described, ResponseBuilder};
use volumed_client::admin::{ApiError, ErrorCode};
use volumed_meta::StoreError;
use volumed_node::{
    AttachError, ChangeDiskError, CreateVolumeError, DeleteVolumeError, DetachError,
    GrowVolumeError, InvalidOwnerId, InvalidVolumeName, LimitVolumeError, RecordError,
    SetReplicasError, ShowVolumeError, VerifyVolumeError,
};

/// Why a call was refused. Every error of the volumes gets its code in this file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    code: ErrorCode,
    message: String,
}

impl Refused {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { code, message } = self;
        let status =
            StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(?code, "{message}");
        }
        (status, axum::Json(ApiError { code, message })).into_response()
    }
}

/// Every call may be refused.
impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let content = Content::new(Some(Ref::from_schema_name("ApiError")));
        let response = ResponseBuilder::new()
            .description("Refused: a code and a sentence")
            .content("application/json", content);
        BTreeMap::from([("default".to_owned(), response.build().into())])
    }
}

pub async fn no_such_call() -> Refused {
    Refused::new(
        ErrorCode::NoSuchCall,
        "there is no such call; GET /openapi.json lists them all",
    )
}

/// The router's own refusals, say of a name that is no text, come as plain text.
pub async fn with_code(answer: Response) -> Response {
    let status = answer.status();
    let is_json = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    // Not ready is no refusal.
    if status == StatusCode::SERVICE_UNAVAILABLE
        || is_json
        || !(status.is_client_error() || status.is_server_error())
    {
        return answer;
    }
    let reason = status.canonical_reason().unwrap_or("refused");
    Refused::new(
        ErrorCode::InvalidRequest,
        format!("the request cannot be read: {reason}"),
    )
    .into_response()
}

impl From<InvalidVolumeName> for Refused {
    fn from(error: InvalidVolumeName) -> Self {
        Self::new(ErrorCode::InvalidName, error.to_string())
    }
}

impl From<InvalidOwnerId> for Refused {
    fn from(error: InvalidOwnerId) -> Self {
        Self::new(ErrorCode::InvalidOwner, error.to_string())
    }
}

fn store_code(_: &StoreError) -> ErrorCode {
    ErrorCode::StoreUnavailable
}

fn record_code(_: &RecordError) -> ErrorCode {
    ErrorCode::Internal
}

impl From<CreateVolumeError> for Refused {
    fn from(error: CreateVolumeError) -> Self {
        let code = match &error {
            CreateVolumeError::Exists(_) => ErrorCode::VolumeExists,
            CreateVolumeError::Size | CreateVolumeError::AutoGrow | CreateVolumeError::Quota => {
                ErrorCode::InvalidSize
            }
            CreateVolumeError::Replicas { .. } => ErrorCode::InvalidReplicas,
            CreateVolumeError::Stopping => ErrorCode::ShuttingDown,
            CreateVolumeError::Record(error) => record_code(error),
            CreateVolumeError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<ShowVolumeError> for Refused {
    fn from(error: ShowVolumeError) -> Self {
        let code = match &error {
            ShowVolumeError::NotFound(_) => ErrorCode::VolumeNotFound,
            ShowVolumeError::Record(error) => record_code(error),
            ShowVolumeError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<VerifyVolumeError> for Refused {
    fn from(error: VerifyVolumeError) -> Self {
        let code = match &error {
            VerifyVolumeError::NotFound(_) => ErrorCode::VolumeNotFound,
            VerifyVolumeError::Never(_) => ErrorCode::NeverVerified,
            VerifyVolumeError::Record(error) => record_code(error),
            VerifyVolumeError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<GrowVolumeError> for Refused {
    fn from(error: GrowVolumeError) -> Self {
        let code = match &error {
            GrowVolumeError::NotFound(_) => ErrorCode::VolumeNotFound,
            GrowVolumeError::Smaller(..) | GrowVolumeError::Size | GrowVolumeError::AutoGrow => {
                ErrorCode::InvalidSize
            }
            GrowVolumeError::Record(error) => record_code(error),
            GrowVolumeError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<LimitVolumeError> for Refused {
    fn from(error: LimitVolumeError) -> Self {
        let code = match &error {
            LimitVolumeError::NotFound(_) => ErrorCode::VolumeNotFound,
            LimitVolumeError::Quota => ErrorCode::InvalidSize,
            LimitVolumeError::Record(error) => record_code(error),
            LimitVolumeError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<SetReplicasError> for Refused {
    fn from(error: SetReplicasError) -> Self {
        let code = match &error {
            SetReplicasError::NotFound(_) => ErrorCode::VolumeNotFound,
            SetReplicasError::Replicas { .. } => ErrorCode::InvalidReplicas,
            SetReplicasError::Record(error) => record_code(error),
            SetReplicasError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<DeleteVolumeError> for Refused {
    fn from(error: DeleteVolumeError) -> Self {
        let code = match &error {
            DeleteVolumeError::NotFound(_) => ErrorCode::VolumeNotFound,
            DeleteVolumeError::Attached(_) => ErrorCode::VolumeAttached,
            DeleteVolumeError::Record(error) => record_code(error),
            DeleteVolumeError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<AttachError> for Refused {
    fn from(error: AttachError) -> Self {
        let code = match &error {
            AttachError::NotFound(_) => ErrorCode::VolumeNotFound,
            AttachError::NotOwner(..) | AttachError::Overtaken(_) => ErrorCode::NotOwner,
            AttachError::ServedElsewhere(..) => ErrorCode::ServedElsewhere,
            AttachError::NoLease(_) => ErrorCode::StoreUnavailable,
            AttachError::Exhausted => ErrorCode::Exhausted,
            AttachError::Io(_) => ErrorCode::Io,
            AttachError::Stopping => ErrorCode::ShuttingDown,
            AttachError::Record(error) => record_code(error),
            AttachError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<DetachError> for Refused {
    fn from(error: DetachError) -> Self {
        let code = match &error {
            DetachError::NotFound(_) => ErrorCode::VolumeNotFound,
            DetachError::NotOwner(..) => ErrorCode::NotOwner,
            DetachError::Io(_) => ErrorCode::Io,
            DetachError::Record(error) => record_code(error),
            DetachError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<ChangeDiskError> for Refused {
    fn from(error: ChangeDiskError) -> Self {
        let code = match &error {
            ChangeDiskError::NotFound(_) => ErrorCode::DiskNotFound,
            ChangeDiskError::InPool(_) => ErrorCode::DiskExists,
            ChangeDiskError::Removed { .. }
            | ChangeDiskError::Serves(_)
            | ChangeDiskError::InUse { .. }
            | ChangeDiskError::LastDisk(_)
            | ChangeDiskError::Volume(_) => ErrorCode::DiskState,
            ChangeDiskError::WouldLose { .. } => ErrorCode::WouldLose,
            ChangeDiskError::Missing { .. } | ChangeDiskError::Disk(_) => ErrorCode::DiskUnusable,
            ChangeDiskError::Stopping => ErrorCode::ShuttingDown,
            ChangeDiskError::Record(error) => record_code(error),
            ChangeDiskError::Store(error) => store_code(error),
        };
        Self::new(code, error.to_string())
    }
}
