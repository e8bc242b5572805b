//! What the daemon finds wrong with itself.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::Finding;

use super::api::Api;
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What the daemon finds wrong with itself
#[utoipa::path(
    get, path = "/v1/findings", operation_id = "listFindings", tag = "health",
    responses((status = 200, description = "None, if all is well", body = Vec<Finding>), Refused)
)]
async fn list(State(api): State<Api>) -> Json<Vec<Finding>> {
    let mut found = crate::findings::findings(&api.volumes).await;
    if let Some(nodes) = &api.cluster {
        found.extend(nodes.findings().await);
    }
    Json(found)
}
