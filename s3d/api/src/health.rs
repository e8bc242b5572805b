//! `/healthz` and `/metrics`.

use axum::extract::State;
use axum::http::{HeaderName, header};

use super::ApiState;
use super::error::ApiError;

/// Whether the metadata store answers; without it nothing new can be done.
pub async fn healthz(State(state): State<ApiState>) -> Result<&'static str, ApiError> {
    state.accounts.check().await?;
    Ok("ok\n")
}

/// In Prometheus's text format.
pub async fn metrics(State(state): State<ApiState>) -> ([(HeaderName, &'static str); 1], String) {
    let text = format!(
        "# HELP hayrack_s3d_open_buckets Buckets that are open.\n\
         # TYPE hayrack_s3d_open_buckets gauge\n\
         hayrack_s3d_open_buckets {}\n",
        state.buckets.open_count()
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
