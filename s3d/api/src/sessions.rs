//! Sessions listed and ended: one's own, and for operators those of others.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::{Session, SessionId, User, UserId, clock};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::caller::{Caller, Operator};
use super::error::ApiError;
use super::path::Name;

/// A place where somebody is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    id: String,
    begun: String,
    /// To the minute.
    last_used: String,
    /// When it ends by itself.
    expires: String,
    /// From where it was used last.
    address: String,
    /// What the browser or program that used it calls itself (`User-Agent`).
    agent: String,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionView {
    fn new(session: Session, asking: &SessionId) -> Self {
        Self {
            current: session.id == *asking,
            id: session.id.to_string(),
            begun: clock::text(session.begun),
            last_used: clock::text(session.last_used),
            expires: clock::text(session.expires),
            address: session.client.address.to_string(),
            agent: session.client.agent,
        }
    }
}

/// Sessions, the one that was used last first.
#[derive(Serialize, ToSchema)]
pub struct SessionsView {
    sessions: Vec<SessionView>,
}

/// Where the caller is signed in
#[utoipa::path(
    get, path = "/api/v1/user/sessions", operation_id = "listSessions",
    responses((status = 200, body = SessionsView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<Json<SessionsView>, ApiError> {
    let user = caller.user.id.clone();
    sessions_of(&state, &user, &caller).await
}

/// End all sessions of the caller but the one that asks
#[utoipa::path(
    delete, path = "/api/v1/user/sessions", operation_id = "endOtherSessions",
    responses((status = 204, description = "They have ended"), ApiError)
)]
pub async fn end_others(
    State(state): State<ApiState>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let user = &caller.user.id;
    let but = Some(&caller.session);
    state.accounts.end_sessions(user, but).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a session of the caller
#[utoipa::path(
    delete, path = "/api/v1/user/sessions/{id}", operation_id = "endSession",
    params(("id" = String, Path)),
    responses((status = 204, description = "It has ended"), ApiError)
)]
pub async fn end(
    State(state): State<ApiState>,
    caller: Caller,
    Name(id): Name,
) -> Result<StatusCode, ApiError> {
    let id = SessionId::parse(&id).ok_or_else(ApiError::no_such_session)?;
    caller.trail.resource(&id);
    if state.accounts.end_session(&caller.user.id, &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::no_such_session())
    }
}

/// Where a user is signed in; for operators
#[utoipa::path(
    get, path = "/api/v1/users/{user}/sessions", operation_id = "listSessionsOfUser",
    params(("user" = String, Path)),
    responses((status = 200, body = SessionsView), ApiError)
)]
pub async fn list_of_user(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Name(user): Name,
) -> Result<Json<SessionsView>, ApiError> {
    let user = existing(&state, &user).await?;
    sessions_of(&state, &user.id, &caller).await
}

/// End all sessions of a user but, if it is one of them, the one that asks; for operators
#[utoipa::path(
    delete, path = "/api/v1/users/{user}/sessions", operation_id = "endSessionsOfUser",
    params(("user" = String, Path)),
    responses((status = 204, description = "They have ended"), ApiError)
)]
pub async fn end_of_user(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Name(user): Name,
) -> Result<StatusCode, ApiError> {
    let user = existing(&state, &user).await?;
    caller.trail.resource(&user.email);
    let but = Some(&caller.session);
    state.accounts.end_sessions(&user.id, but).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn existing(state: &ApiState, id: &str) -> Result<User, ApiError> {
    let id = UserId::parse(id).ok_or_else(ApiError::no_such_user)?;
    let user = state.accounts.user(&id).await?;
    user.ok_or_else(ApiError::no_such_user)
}

async fn sessions_of(
    state: &ApiState,
    user: &UserId,
    caller: &Caller,
) -> Result<Json<SessionsView>, ApiError> {
    let sessions = state.accounts.sessions(user).await?.into_iter();
    let sessions = sessions.map(|session| SessionView::new(session, &caller.session));
    Ok(Json(SessionsView {
        sessions: sessions.collect(),
    }))
}
