//! Invitations: to a namespace, by its owners; to sign up, by operators.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{Invitation, Role, clock};
use s3d_names::Email;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::{Caller, Operator};
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::members::role;
use super::namespaces::NamespaceView;
use super::path::{InNamespace, Name, namespace};

/// An open invitation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationView {
    id: String,
    /// Whom it is for.
    email: String,
    /// What it lets its user join; null: sign up with a namespace of one's own.
    namespace: Option<String>,
    #[schema(value_type = Option<String>, example = "member")]
    role: Option<Role>,
    expires: String,
    /// The id of the user who invites.
    invited_by: String,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let (namespace, role) = invitation.member.unzip();
        Self {
            id: invitation.id,
            email: invitation.email.into(),
            namespace: namespace.map(String::from),
            role,
            expires: clock::text(invitation.expires),
            invited_by: invitation.invited_by.to_string(),
        }
    }
}

/// The only answer that shows the code.
#[derive(Serialize, ToSchema)]
pub struct CreatedInvitation {
    #[serde(flatten)]
    invitation: InvitationView,
    /// To be handed on to whom the invitation is for.
    code: String,
}

impl CreatedInvitation {
    fn new((invitation, code): (Invitation, String)) -> (StatusCode, Json<Self>) {
        let invitation = invitation.into();
        (StatusCode::CREATED, Json(Self { invitation, code }))
    }
}

/// Open invitations.
#[derive(Serialize, ToSchema)]
pub struct InvitationsView {
    invitations: Vec<InvitationView>,
}

impl From<Vec<Invitation>> for InvitationsView {
    fn from(invitations: Vec<Invitation>) -> Self {
        let invitations = invitations.into_iter().map(InvitationView::from).collect();
        Self { invitations }
    }
}

/// Whom to invite to a namespace.
#[derive(Debug, ToSchema)]
pub struct InviteMember {
    #[schema(value_type = String)]
    email: Email,
    /// `owner` administers, `member` reads and writes, `viewer` reads.
    #[schema(value_type = String, example = "member")]
    role: Role,
}

impl Input for InviteMember {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", |text| Email::new(&text));
        let role = fields.required("role", role);
        Some(Self {
            email: email?,
            role: role?,
        })
    }
}

/// Invite to a namespace; the code in the answer is shown once, and holds for a week
#[utoipa::path(
    post, path = "/api/v1/namespaces/{namespace}/invitations", operation_id = "inviteMember",
    params(("namespace" = String, Path)),
    request_body = InviteMember,
    responses((status = 201, body = CreatedInvitation), ApiError)
)]
pub async fn invite_member(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
    Body(body): Body<InviteMember>,
) -> Result<(StatusCode, Json<CreatedInvitation>), ApiError> {
    let namespace = namespace(&name)?;
    caller.require(&state, &namespace, Role::Owner).await?;
    let member = Some((namespace, body.role));
    let invited = state
        .accounts
        .invite(body.email, member, &caller.user.id)
        .await?;
    Ok(CreatedInvitation::new(invited))
}

/// The open invitations to a namespace
#[utoipa::path(
    get, path = "/api/v1/namespaces/{namespace}/invitations", operation_id = "listMemberInvitations",
    params(("namespace" = String, Path)),
    responses((status = 200, body = InvitationsView), ApiError)
)]
pub async fn list_of_namespace(
    State(state): State<ApiState>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<InvitationsView>, ApiError> {
    let namespace = namespace(&name)?;
    caller.require(&state, &namespace, Role::Owner).await?;
    let invitations = state.accounts.invitations(Some(&namespace)).await?;
    Ok(Json(invitations.into()))
}

/// Withdraw an invitation to a namespace
#[utoipa::path(
    delete, path = "/api/v1/namespaces/{namespace}/invitations/{id}",
    operation_id = "withdrawMemberInvitation",
    params(("namespace" = String, Path), ("id" = String, Path)),
    responses((status = 204, description = "It does not hold any more"), ApiError)
)]
pub async fn withdraw_of_namespace(
    State(state): State<ApiState>,
    caller: Caller,
    InNamespace(namespace, id): InNamespace,
) -> Result<StatusCode, ApiError> {
    caller.require(&state, &namespace, Role::Owner).await?;
    withdrawn(
        state
            .accounts
            .withdraw_invitation(Some(&namespace), &id)
            .await?,
    )
}

/// Whom to invite to sign up.
#[derive(Debug, ToSchema)]
pub struct Invite {
    #[schema(value_type = String)]
    email: Email,
}

impl Input for Invite {
    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", |text| Email::new(&text))?;
        Some(Self { email })
    }
}

/// Invite to sign up with a namespace of one's own; for operators
#[utoipa::path(
    post, path = "/api/v1/invitations", operation_id = "invite",
    request_body = Invite,
    responses((status = 201, body = CreatedInvitation), ApiError)
)]
pub async fn invite(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Body(body): Body<Invite>,
) -> Result<(StatusCode, Json<CreatedInvitation>), ApiError> {
    let invited = state
        .accounts
        .invite(body.email, None, &caller.user.id)
        .await?;
    Ok(CreatedInvitation::new(invited))
}

/// The open invitations to sign up; for operators
#[utoipa::path(
    get, path = "/api/v1/invitations", operation_id = "listInvitations",
    responses((status = 200, body = InvitationsView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    _: Operator,
) -> Result<Json<InvitationsView>, ApiError> {
    Ok(Json(state.accounts.invitations(None).await?.into()))
}

/// Withdraw an invitation to sign up; for operators
#[utoipa::path(
    delete, path = "/api/v1/invitations/{id}", operation_id = "withdrawInvitation",
    params(("id" = String, Path)),
    responses((status = 204, description = "It does not hold any more"), ApiError)
)]
pub async fn withdraw(
    State(state): State<ApiState>,
    _: Operator,
    Name(id): Name,
) -> Result<StatusCode, ApiError> {
    withdrawn(state.accounts.withdraw_invitation(None, &id).await?)
}

/// The code of an invitation.
#[derive(Debug, ToSchema)]
pub struct AcceptInvitation {
    code: String,
}

impl Input for AcceptInvitation {
    fn read(fields: &mut Fields) -> Option<Self> {
        let code = fields.required("code", Ok::<_, Infallible>)?;
        Some(Self { code })
    }
}

/// Join the namespace that you were invited to
#[utoipa::path(
    post, path = "/api/v1/user/invitations", operation_id = "acceptInvitation",
    request_body = AcceptInvitation,
    responses((status = 200, body = NamespaceView), ApiError)
)]
pub async fn accept(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body<AcceptInvitation>,
) -> Result<Json<NamespaceView>, ApiError> {
    let membership = state
        .accounts
        .accept_invitation(&caller.user, &body.code)
        .await?;
    Ok(Json(membership.into()))
}

fn withdrawn(was_open: bool) -> Result<StatusCode, ApiError> {
    if was_open {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::no_such_invitation())
    }
}
