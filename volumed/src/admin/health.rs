//! Whether the daemon lives and serves, for supervisors.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::LeaseInfo;
use volumed_daemon::check_writable;
use volumed_node::{DiskState, DiskView};

use super::api::Api;
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(alive))
        .routes(routes!(ready))
        .routes(routes!(lease))
}

/// Whether the daemon lives
#[utoipa::path(
    get, path = "/healthz", operation_id = "showHealth", tag = "health",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"))
)]
async fn alive() -> &'static str {
    "ok\n"
}

/// How long this node may serve what nobody else does
///
/// Whoever reads extents past the daemon may count on what it read for so long from when it asked.
#[utoipa::path(
    get, path = "/v1/lease", operation_id = "showLease", tag = "health",
    responses((status = 200, description = "Done", body = LeaseInfo), Refused)
)]
async fn lease(State(api): State<Api>) -> Result<Json<LeaseInfo>, Refused> {
    let left = api.volumes.lease();
    let left = left.map(|left| left.as_millis() as u64);
    Ok(Json(LeaseInfo { left }))
}

/// Whether requests are served
#[utoipa::path(
    get, path = "/readyz", operation_id = "showReadiness", tag = "health",
    responses(
        (status = 200, description = "They are", body = String, content_type = "text/plain"),
        (
            status = 503, description = "They are not: a line for each reason",
            body = String, content_type = "text/plain"
        )
    )
)]
async fn ready(State(api): State<Api>) -> Response {
    let mut reasons = Vec::new();
    if api.volumes.is_stopping() {
        reasons.push("the daemon is stopping".to_owned());
    }
    if let Err(error) = api.volumes.store_answers().await {
        reasons.push(format!("the metadata store does not answer: {error}"));
    }
    if let Some(file) = api.store.file()
        && let Err(reason) = check_writable(file)
    {
        reasons.push(format!("the metadata store cannot be written: {reason}"));
    }
    let serves = |disk: &DiskView| disk.state == DiskState::Online;
    if !api.volumes.disks().await.iter().any(serves) {
        reasons.push("no disk serves".to_owned());
    }
    if reasons.is_empty() {
        "ready\n".into_response()
    } else {
        let text = format!("{}\n", reasons.join("\n"));
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}
