//! The cookie that holds the token of a page's session, and what it may speak for.
//!
//! A browser sends the cookie by itself, also when the page of another origin makes it ask. So a change that
//! the cookie alone speaks for must come from a page of this very origin: [`check_origin`].

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};

use super::error::ApiError;

/// The name of the cookie.
pub const COOKIE: &str = "hayrack-session";

/// The header of an answer that sets or removes the cookie.
pub type SetCookie = [(HeaderName, String); 1];

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
    pub fn cookie(&self, token: &str, seconds: u64) -> SetCookie {
        let secure = if self.encrypted { "; Secure" } else { "" };
        let cookie = format!(
            "{COOKIE}={token}; Path=/api/v1; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        );
        [(header::SET_COOKIE, cookie)]
    }
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
