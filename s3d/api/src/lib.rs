//! The REST API: sign-up, namespaces, buckets and keys, JSON over HTTP.

mod auth;
mod buckets;
mod error;
mod fields;
mod health;
mod keys;
mod namespaces;
mod path;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::{delete, get, post};

use error::ApiError;
use s3d_accounts::Accounts;
use s3d_buckets::Buckets;

const OPENAPI: &str = include_str!("openapi.json");

/// What the API serves.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// Users, namespaces and keys.
    pub accounts: Arc<Accounts>,
    /// The buckets.
    pub buckets: Arc<Buckets>,
    /// Where buckets are reached.
    pub endpoint: Endpoint,
}

/// Where buckets are reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The rack's domain; buckets are under `s3.<domain>`.
    pub domain: String,
    /// The port of the S3 front.
    pub port: u16,
}

impl Endpoint {
    /// The URL to give to an S3 client, to be used with path-style requests.
    fn of(&self, bucket: &str, namespace: &str) -> String {
        let port = match (self.scheme, self.port) {
            ("http", 80) | ("https", 443) => String::new(),
            (_, port) => format!(":{port}"),
        };
        let (scheme, domain) = (self.scheme, &self.domain);
        if bucket.contains('.') {
            // Dots would be more labels of the host name: such a bucket is a path only.
            return format!("{scheme}://s3.{domain}{port}");
        }
        format!("{scheme}://{bucket}.{namespace}.s3.{domain}{port}")
    }
}

/// The API's routes. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, else
/// attempts to sign in are not limited by address.
pub fn router(state: ApiState) -> Router {
    let buckets = get(buckets::list).post(buckets::create);
    let bucket = get(buckets::show).delete(buckets::delete);
    Router::new()
        .route("/api/v1/auth/sign-up", post(users::sign_up))
        .route("/api/v1/auth/login", post(users::login))
        .route("/api/v1/user", get(users::show))
        .route(
            "/api/v1/namespaces",
            get(namespaces::list).post(namespaces::create),
        )
        .route("/api/v1/buckets", buckets.clone())
        .route("/api/v1/buckets/{name}", bucket.clone())
        .route("/buckets", buckets)
        .route("/buckets/{name}", bucket)
        .route("/api/v1/keys", get(keys::list).post(keys::create))
        .route("/api/v1/keys/{id}", delete(keys::delete))
        .route(
            "/openapi.json",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }),
        )
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .fallback(|| async { ApiError::no_such_call() })
        .method_not_allowed_fallback(|| async { ApiError::wrong_method() })
        .with_state(state)
}
