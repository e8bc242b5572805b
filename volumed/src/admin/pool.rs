//! All disks together.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::PoolInfo;

use super::api::Api;
use super::refused::Refused;
use crate::volume::PoolView;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show))
}

/// All disks together
#[utoipa::path(
    get, path = "/v1/pool", operation_id = "showPool", tag = "pool",
    responses((status = 200, description = "Done", body = PoolInfo), Refused)
)]
async fn show(State(api): State<Api>) -> Result<Json<PoolInfo>, Refused> {
    Ok(Json(api.volumes.pool().await?.into()))
}

impl From<PoolView> for PoolInfo {
    fn from(view: PoolView) -> Self {
        Self {
            capacity: view.capacity.0,
            used: view.used.0,
            free: view.free.0,
            disks: view.disks,
            volumes: view.volumes,
        }
    }
}
