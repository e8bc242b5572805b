//! Scrubs: how far they are, started and paused.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::{self, ScrubInfo};
use volumed_node::{ScrubState, ScrubView};

use super::api::Api;
use super::refused::Refused;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(start))
        .routes(routes!(pause))
}

/// How far the scrub of each disk is
#[utoipa::path(
    get, path = "/v1/scrub", operation_id = "showScrub", tag = "scrub",
    responses((status = 200, description = "One for each disk", body = Vec<ScrubInfo>), Refused)
)]
async fn show(State(api): State<Api>) -> Json<Vec<ScrubInfo>> {
    Json(api.scrub_infos())
}

/// Begin to scrub every disk, or go on where it was paused
#[utoipa::path(
    post, path = "/v1/scrub/start", operation_id = "startScrub", tag = "scrub",
    responses((status = 200, description = "One for each disk", body = Vec<ScrubInfo>), Refused)
)]
async fn start(State(api): State<Api>) -> Json<Vec<ScrubInfo>> {
    api.volumes.start_scrub().await;
    Json(api.scrub_infos())
}

/// Pause every scrub, those too that would begin by themselves, until it is started again
#[utoipa::path(
    post, path = "/v1/scrub/pause", operation_id = "pauseScrub", tag = "scrub",
    responses((status = 200, description = "One for each disk", body = Vec<ScrubInfo>), Refused)
)]
async fn pause(State(api): State<Api>) -> Json<Vec<ScrubInfo>> {
    api.volumes.pause_scrub().await;
    Json(api.scrub_infos())
}

impl Api {
    pub(super) fn scrub_infos(&self) -> Vec<ScrubInfo> {
        self.volumes.scrubs().into_iter().map(scrub_info).collect()
    }
}

fn scrub_info(view: ScrubView) -> ScrubInfo {
    ScrubInfo {
        due: view.due(),
        disk: view.disk.to_string(),
        path: view.path,
        state: match view.state {
            ScrubState::Idle => admin::ScrubState::Idle,
            ScrubState::Running => admin::ScrubState::Running,
            ScrubState::Paused => admin::ScrubState::Paused,
        },
        checked: view.checked.0,
        unchecked: view.unchecked,
        total: view.total.0,
        seconds_left: view.left.map(|left| left.as_secs()),
        begun: view.begun,
        ended: view.ended,
    }
}
