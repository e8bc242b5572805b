//! All disks together.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::PoolInfo;
use volumed_node::ShowVolumeError;

use super::api::Api;
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show))
}

/// All disks together
#[utoipa::path(
    get, path = "/v1/pool", operation_id = "showPool", tag = "pool",
    responses((status = 200, description = "Done", body = PoolInfo), Refused)
)]
async fn show(State(api): State<Api>) -> Result<Json<PoolInfo>, Refused> {
    Ok(Json(api.pool_info().await?))
}

impl Api {
    pub(super) async fn pool_info(&self) -> Result<PoolInfo, ShowVolumeError> {
        let view = self.volumes.pool().await?;
        Ok(PoolInfo {
            capacity: view.capacity.0,
            used: view.used.0,
            free: view.free.0,
            disks: view.disks,
            volumes: view.volumes,
        })
    }
}
