//! `/api/v1/session`: the same token as `auth/login` gives, in a cookie that no script can read.
//!
//! A browser sends the cookie by itself, also when the page of another origin makes it ask. So a change that
//! the cookie alone speaks for must come from a page of this very origin: [`check_origin`].

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use s3d_names::Email;

use super::ApiState;
use super::audit::Trail;
use super::caller::{Caller, From};
use super::error::ApiError;
use super::fields::{Body, Fields, Input};
use super::users::{ChangePassword, Login};

/// The name of the cookie.
pub const COOKIE: &str = "hayrack-session";

/// The header of an answer that sets or removes the cookie.
type SetCookie = [(HeaderName, String); 1];

/// The page that asks, by the `Origin` that its browser sends.
#[derive(Debug)]
pub struct Page {
    /// Whether it came over TLS: then the cookie travels over nothing else.
    encrypted: bool,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        check_origin(parts)?;
        let encrypted = text(&parts.headers, &header::ORIGIN)
            .is_some_and(|origin| origin.starts_with("https://"));
        Ok(Self { encrypted })
    }
}

impl Page {
    /// A cookie that lasts for so many seconds.
    fn cookie(&self, token: &str, seconds: u64) -> SetCookie {
        let secure = if self.encrypted { "; Secure" } else { "" };
        let cookie = format!(
            "{COOKIE}={token}; Path=/api/v1; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        );
        [(header::SET_COOKIE, cookie)]
    }
}

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

/// The token in the cookie, if there is one. Refuses a change that the page of another origin asks for.
pub fn token(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let cookies = parts.headers.get_all(header::COOKIE).iter();
    let pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut tokens = pairs.filter(|(name, token)| *name == COOKIE && !token.is_empty());
    let Some((_, token)) = tokens.next() else {
        return Ok(None);
    };
    // What changes nothing may be asked from anywhere: another origin cannot read the answer.
    if parts.method != Method::GET && parts.method != Method::HEAD {
        check_origin(parts)?;
    }
    Ok(Some(token))
}

/// Browsers name the origin of the page with every request that is not a GET.
fn check_origin(parts: &Parts) -> Result<(), ApiError> {
    let host = text(&parts.headers, &header::HOST);
    let origin = text(&parts.headers, &header::ORIGIN);
    let of_page = origin.and_then(|origin| origin.split_once("://"));
    match (of_page, host) {
        (Some((_, page)), Some(host)) if page.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(ApiError::other_origin()),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
