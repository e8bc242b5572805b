//! Serves the web console below `/console/`: a page, and the files that it loads, from the program itself.
//!
//! Files below `assets/` have their content's hash in their names and are kept by browsers for ever; the page
//! itself is asked for again each time. A path that is no file is a place in the console, which its page finds.

mod files;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use files::{File, Found, find};

/// What is said when the console was not built into the program.
const NOT_BUILT: &str = include_str!("not_built.html");

/// Pages that another one opened cannot reach this one, nor this one them.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// No page of another origin may load what is served here.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The console, for pages that reach S3 at `s3`, such as `https://s3.example.org`.
///
/// # Panics
/// When `s3` is no origin.
pub fn router(s3: &str) -> Router {
    let policy = HeaderValue::try_from(content_policy(s3)).expect("an origin is plain text");
    let page = {
        let policy = policy.clone();
        move |headers: HeaderMap| async move { answer("", &headers, &policy) }
    };
    let any = move |Path(path): Path<String>, headers: HeaderMap| async move {
        answer(&path, &headers, &policy)
    };
    let enter = || async { Redirect::temporary("/console/") };
    Router::new()
        .route("/", get(enter))
        .route("/console", get(enter))
        .route("/console/", get(page))
        .route("/console/{*path}", get(any))
}

/// Nothing from elsewhere and nothing inline; only the bytes of objects come from S3, to be read, or shown as a
/// picture, a sound, a film or in a frame. A frame of this origin is where a refusal of the REST API to a form goes.
fn content_policy(s3: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' {s3}; media-src {s3}; \
         frame-src 'self' {s3}; connect-src 'self' {s3}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

fn answer(path: &str, headers: &HeaderMap, policy: &HeaderValue) -> Response {
    let mut response = match find(path) {
        Found::File(file) => of_file(file, headers),
        Found::Nothing => StatusCode::NOT_FOUND.into_response(),
        Found::NotBuilt => {
            let html = [(CONTENT_TYPE, "text/html; charset=utf-8")];
            (StatusCode::NOT_FOUND, html, NOT_BUILT).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn of_file(file: &'static File, asked: &HeaderMap) -> Response {
    let caching = if file.is_immutable() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let common = [
        (CACHE_CONTROL, caching),
        (ETAG, file.tag),
        (VARY, "Accept-Encoding"),
    ];
    if asked.get(IF_NONE_MATCH).is_some_and(|tag| tag == file.tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let (encoding, bytes) = file.encoded(|encoding| accepts(asked, encoding));
    let mut response = (common, [(CONTENT_TYPE, file.media_type())], bytes).into_response();
    if let Some(encoding) = encoding {
        let encoding = HeaderValue::from_static(encoding);
        response.headers_mut().insert(CONTENT_ENCODING, encoding);
    }
    response
}

/// Whether a client takes an encoding.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let accepted = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    let mut encodings = accepted.unwrap_or_default().split(',');
    encodings.any(|it| {
        let (name, weight) = it.split_once(';').unwrap_or((it, ""));
        let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

#[cfg(test)]
mod tests;
