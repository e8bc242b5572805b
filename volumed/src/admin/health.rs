//! Whether the daemon lives and serves, for supervisors.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_daemon::check_writable;
use volumed_node::{DiskState, DiskView};

use super::api::Api;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(alive))
        .routes(routes!(ready))
}

/// Whether the daemon lives
#[utoipa::path(
    get, path = "/healthz", operation_id = "showHealth", tag = "health",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"))
)]
async fn alive() -> &'static str {
    "ok\n"
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
