//! `/api/v1/namespaces`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{Limits, Membership, Role};
use s3d_names::NamespaceName;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::{Caller, Operator};
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::path::{Name, namespace};

/// A namespace that the caller belongs to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceView {
    name: String,
    /// The id by which S3 names the namespace.
    canonical_id: String,
    #[schema(value_type = String, example = "owner")]
    role: Role,
}

impl From<Membership> for NamespaceView {
    fn from(membership: Membership) -> Self {
        Self {
            canonical_id: membership.namespace.canonical_id(),
            name: membership.namespace.into(),
            role: membership.role,
        }
    }
}

/// The caller's namespaces.
#[derive(Serialize, ToSchema)]
pub struct NamespacesView {
    namespaces: Vec<NamespaceView>,
}

/// The namespaces that you belong to
#[utoipa::path(
    get, path = "/api/v1/namespaces", operation_id = "listNamespaces",
    responses((status = 200, body = NamespacesView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Json<NamespacesView>, ApiError> {
    let memberships = state.accounts.memberships(&caller.user.id).await?;
    let namespaces = memberships.into_iter().map(NamespaceView::from).collect();
    Ok(Json(NamespacesView { namespaces }))
}

/// A namespace to create.
#[derive(Debug, ToSchema)]
pub struct NewNamespace {
    #[schema(value_type = String, min_length = 3, max_length = 63)]
    name: NamespaceName,
}

impl Input for NewNamespace {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name", NamespaceName::new)?;
        Some(Self { name })
    }
}

/// Create a namespace; you are its owner
#[utoipa::path(
    post, path = "/api/v1/namespaces", operation_id = "createNamespace",
    request_body = NewNamespace,
    responses((status = 201, body = NamespaceView), ApiError)
)]
pub async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body<NewNamespace>,
) -> Result<(StatusCode, Json<NamespaceView>), ApiError> {
    caller.verified(&state)?;
    let membership = state
        .accounts
        .create_namespace(&caller.user.id, &body.name)
        .await?;
    Ok((StatusCode::CREATED, Json(membership.into())))
}

/// What a namespace may use; null where the default holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsView {
    /// Buckets; 1,000 unless set.
    buckets: Option<u32>,
    /// Keys; 1,000 unless set.
    keys: Option<u32>,
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        Self {
            buckets: limits.buckets,
            keys: limits.keys,
        }
    }
}

impl From<LimitsView> for Limits {
    fn from(limits: LimitsView) -> Self {
        Self {
            buckets: limits.buckets,
            keys: limits.keys,
        }
    }
}

impl Input for LimitsView {
    fn read(fields: &mut Fields) -> Option<Self> {
        let mut small = |name| {
            let number = fields.number(name)?;
            let small = u32::try_from(number);
            if small.is_err() {
                fields.wrong(name, "This number is too large.");
            }
            small.ok()
        };
        let (buckets, keys) = (small("buckets"), small("keys"));
        Some(Self { buckets, keys })
    }
}

/// What a namespace may use
#[utoipa::path(
    get, path = "/api/v1/namespaces/{namespace}/limits", operation_id = "showLimits",
    params(("namespace" = String, Path)),
    responses((status = 200, body = LimitsView), ApiError)
)]
pub async fn limits(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<LimitsView>, ApiError> {
    let name = namespace(&name)?;
    if !caller.user.operator {
        caller.require(&state, &name, Role::Viewer).await?;
    }
    let record = state.accounts.namespace(&name).await?;
    let record = record.ok_or_else(ApiError::no_such_namespace)?;
    Ok(Json(record.limits.into()))
}

/// Set all that a namespace may use; for operators
#[utoipa::path(
    put, path = "/api/v1/namespaces/{namespace}/limits", operation_id = "setLimits",
    params(("namespace" = String, Path)),
    request_body = LimitsView,
    responses((status = 200, body = LimitsView), ApiError)
)]
pub async fn set_limits(
    State(state): State<ApiState>,
    _: Operator,
    Name(name): Name,
    Body(body): Body<LimitsView>,
) -> Result<Json<LimitsView>, ApiError> {
    let limits = Limits::from(body);
    if !state
        .accounts
        .set_limits(&namespace(&name)?, limits)
        .await?
    {
        return Err(ApiError::no_such_namespace());
    }
    Ok(Json(limits.into()))
}
