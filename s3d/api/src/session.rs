//! `/api/v1/session`: the same token as `auth/login` gives, in a cookie that no script can read.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use s3d_names::Email;

use super::ApiState;
use super::caller::{Caller, From};
use super::cookie::{Page, SetCookie, token};
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::trail::Trail;
use super::user::{ChangePassword, Login};

/// Sign in; the answer sets a cookie instead of showing a token, for pages of this origin alone
#[utoipa::path(
    post, path = "/api/v1/session", operation_id = "openSession", security(()),
    request_body = Login,
    responses((status = 204, description = "The cookie is set"), ApiError)
)]
pub async fn open(
    State(state): State<ApiState>,
    From(client): From,
    page: Page,
    trail: Trail,
    Body(body): Body<Login>,
) -> Result<(StatusCode, SetCookie), ApiError> {
    if let Ok(email) = Email::new(&body.email) {
        trail.resource(&email);
    }
    let signed_in = state
        .accounts
        .login(&body.email, body.password, &client)
        .await;
    let (user, token) = signed_in?;
    trail.user(&user.id);
    let cookie = page.cookie(&token.text, token.expires_in);
    Ok((StatusCode::NO_CONTENT, cookie))
}

/// A code that was made for somebody, such as by a first start.
#[derive(Debug, utoipa::ToSchema)]
pub struct SignInCode {
    code: String,
}

impl Input for SignInCode {
    fn read(fields: &mut Fields) -> Option<Self> {
        let code = fields.required("code", Ok::<_, std::convert::Infallible>);
        Some(Self { code: code? })
    }
}

/// Sign in with a code that is good for once, for pages of this origin alone; the answer sets the cookie
#[utoipa::path(
    post, path = "/api/v1/session/code", operation_id = "openSessionByCode", security(()),
    request_body = SignInCode,
    responses((status = 204, description = "The cookie is set"), ApiError)
)]
pub async fn open_by_code(
    State(state): State<ApiState>,
    From(client): From,
    page: Page,
    trail: Trail,
    Body(body): Body<SignInCode>,
) -> Result<(StatusCode, SetCookie), ApiError> {
    let (user, token) = state.accounts.login_by_code(&body.code, &client).await?;
    trail.user(&user.id);
    trail.resource(&user.email);
    let cookie = page.cookie(&token.text, token.expires_in);
    Ok((StatusCode::NO_CONTENT, cookie))
}

/// Change the password; every session ends, and the answer sets the cookie of a new one, for pages of this origin
/// alone
#[utoipa::path(
    post, path = "/api/v1/session/password", operation_id = "changePasswordOfSession",
    request_body = ChangePassword,
    responses((status = 204, description = "The cookie is set"), ApiError)
)]
pub async fn change_password(
    State(state): State<ApiState>,
    caller: Caller,
    From(client): From,
    page: Page,
    Body(body): Body<ChangePassword>,
) -> Result<(StatusCode, SetCookie), ApiError> {
    let (current, new) = (body.current_password, body.new_password);
    let changed = state
        .accounts
        .change_password(&caller.user, current, new, &client)
        .await;
    let token = changed?;
    let cookie = page.cookie(&token.text, token.expires_in);
    Ok((StatusCode::NO_CONTENT, cookie))
}

/// Sign out: the session ends, and the answer removes the cookie
#[utoipa::path(
    delete, path = "/api/v1/session", operation_id = "closeSession", security(()),
    responses((status = 204, description = "The cookie is removed"), ApiError)
)]
pub async fn close(
    State(state): State<ApiState>,
    page: Page,
    trail: Trail,
    parts: Parts,
) -> Result<(StatusCode, SetCookie), ApiError> {
    if let Some(token) = token(&parts)?
        && let Some(user) = state.accounts.log_out(token).await?
    {
        trail.user(&user);
    }
    Ok((StatusCode::NO_CONTENT, page.cookie("", 0)))
}
