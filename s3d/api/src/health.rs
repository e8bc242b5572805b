//! `/healthz` and `/metrics`.

use axum::extract::State;
use axum::http::{HeaderName, header};

use super::ApiState;
use super::error::ApiError;

/// Whether the metadata store answers; without it nothing new can be done
#[utoipa::path(
    get, path = "/healthz", operation_id = "showHealth", security(()),
    responses((status = 200, body = String, content_type = "text/plain"), ApiError)
)]
pub async fn healthz(State(state): State<ApiState>) -> Result<&'static str, ApiError> {
    state.accounts.check().await?;
    Ok("ok\n")
}

/// Counters in Prometheus's text format
#[utoipa::path(
    get, path = "/metrics", operation_id = "showMetrics", security(()),
    responses((status = 200, body = String, content_type = "text/plain"), ApiError)
)]
pub async fn metrics(State(state): State<ApiState>) -> ([(HeaderName, &'static str); 1], String) {
    let text = format!(
        "# HELP hayrack_s3d_open_buckets Buckets that are open.\n\
         # TYPE hayrack_s3d_open_buckets gauge\n\
         hayrack_s3d_open_buckets {}\n",
        state.buckets.open_count()
    );
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
