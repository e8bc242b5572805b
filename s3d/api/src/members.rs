//! `/api/v1/namespaces/{namespace}/members`: for all who belong to it; changes are for owners.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{Member, Role};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::Caller;
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::path::{InNamespace, Name, namespace, user};

/// Reads a role.
pub fn role(text: String) -> Result<Role, &'static str> {
    serde_json::from_value(text.into()).map_err(|_| "Say owner, member or viewer.")
}

/// A member of a namespace.
#[derive(Serialize, ToSchema)]
pub struct MemberView {
    /// The user's id.
    user: String,
    email: String,
    #[schema(value_type = String, example = "member")]
    role: Role,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user: member.user.to_string(),
            email: member.email.into(),
            role: member.role,
        }
    }
}

/// The members of a namespace.
#[derive(Serialize, ToSchema)]
pub struct MembersView {
    members: Vec<MemberView>,
}

/// Who belongs to a namespace
#[utoipa::path(
    get, path = "/api/v1/namespaces/{namespace}/members", operation_id = "listMembers",
    params(("namespace" = String, Path)),
    responses((status = 200, body = MembersView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<MembersView>, ApiError> {
    let namespace = namespace(&name)?;
    caller.require(&state, &namespace, Role::Viewer).await?;
    let members = state.accounts.members(&namespace).await?;
    let members = members.into_iter().map(MemberView::from).collect();
    Ok(Json(MembersView { members }))
}

/// What a member may do from now on.
#[derive(Debug, ToSchema)]
pub struct ChangeMember {
    /// `owner` administers, `member` reads and writes, `viewer` reads.
    #[schema(value_type = String, example = "viewer")]
    role: Role,
}

impl Input for ChangeMember {
    fn read(fields: &mut Fields) -> Option<Self> {
        let role = fields.required("role", role)?;
        Some(Self { role })
    }
}

/// Change what a member may do; writing keys that a new viewer made are revoked
#[utoipa::path(
    patch, path = "/api/v1/namespaces/{namespace}/members/{user}", operation_id = "changeMember",
    params(("namespace" = String, Path), ("user" = String, Path)),
    request_body = ChangeMember,
    responses((status = 200, body = MemberView), ApiError)
)]
pub async fn change(
    State(state): State<ApiState>,
    caller: Caller,
    InNamespace(namespace, id): InNamespace,
    Body(body): Body<ChangeMember>,
) -> Result<Json<MemberView>, ApiError> {
    caller.require(&state, &namespace, Role::Owner).await?;
    let member = state
        .accounts
        .set_role(&namespace, &user(&id)?, body.role)
        .await?;
    Ok(Json(member.into()))
}

/// Take a member out of a namespace, or leave it; keys that the member made are revoked
#[utoipa::path(
    delete, path = "/api/v1/namespaces/{namespace}/members/{user}", operation_id = "removeMember",
    params(("namespace" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "The member is removed"), ApiError)
)]
pub async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    InNamespace(namespace, id): InNamespace,
) -> Result<StatusCode, ApiError> {
    let member = user(&id)?;
    let least = if member == caller.user.id {
        Role::Viewer
    } else {
        Role::Owner
    };
    caller.require(&state, &namespace, least).await?;
    state.accounts.remove_member(&namespace, &member).await?;
    Ok(StatusCode::NO_CONTENT)
}
