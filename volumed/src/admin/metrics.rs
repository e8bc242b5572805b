//! The state of things for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::ErrorCode;
use volumed_daemon::METRICS_CONTENT_TYPE;

use super::api::Api;
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show))
}

/// The state of things for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "showMetrics", tag = "health",
    responses(
        (
            status = 200, description = "A page of OpenMetrics",
            body = String, content_type = "application/openmetrics-text"
        ),
        Refused
    )
)]
async fn show(State(api): State<Api>) -> Result<impl IntoResponse, Refused> {
    let pool = api.pool_info().await?;
    let (disks, volumes) = (api.disk_infos().await, api.volume_infos().await?);
    let store = api.store_info().await?;
    let (work, activity) = (api.volumes.work(), api.volumes.activity());
    let (scrubs, of_disks) = (api.scrub_infos(), (&work, &activity));
    let page = api
        .metrics
        .page(&pool, &disks, &volumes, &store, &scrubs, of_disks);
    let page = page.map_err(|_| Refused::new(ErrorCode::Internal, "the page cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], page))
}
