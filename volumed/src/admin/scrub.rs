//! Scrubs: how far they are, started and paused.

use axum::extract::State;
use axum::http::StatusCode;
use volumed_client::admin::{self, ScrubInfo};

use super::api::{Answer, Api, json};
use crate::volume::{ScrubState, ScrubView};

pub async fn show(State(api): State<Api>) -> Answer {
    Ok(json(StatusCode::OK, &api.scrub_infos()))
}

pub async fn start(State(api): State<Api>) -> Answer {
    api.volumes.start_scrub().await;
    Ok(json(StatusCode::OK, &api.scrub_infos()))
}

pub async fn pause(State(api): State<Api>) -> Answer {
    api.volumes.pause_scrub().await;
    Ok(json(StatusCode::OK, &api.scrub_infos()))
}

impl Api {
    pub(super) fn scrub_infos(&self) -> Vec<ScrubInfo> {
        self.volumes.scrubs().into_iter().map(Into::into).collect()
    }
}

impl From<ScrubView> for ScrubInfo {
    fn from(view: ScrubView) -> Self {
        Self {
            due: view.due(),
            disk: view.disk.to_string(),
            path: view.path,
            state: match view.state {
                ScrubState::Idle => admin::ScrubState::Idle,
                ScrubState::Running => admin::ScrubState::Running,
                ScrubState::Paused => admin::ScrubState::Paused,
            },
            checked: view.checked.0,
            total: view.total.0,
            seconds_left: view.left.map(|left| left.as_secs()),
            begun: view.begun,
            ended: view.ended,
        }
    }
}
