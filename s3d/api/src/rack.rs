//! `/api/v1/rack` and what lies below it: nodes, disks and volumes, for operators.

pub mod disks;
mod drain;
pub mod nodes;
mod removal;
mod room;
mod slots;
pub mod volumes;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use volumed_client::admin::{AdminError, ErrorCode, Finding, Severity, VolumePage};

use super::ApiState;
use super::caller::Operator;
use super::error::ApiError;
use disks::DiskView;
use nodes::NodeView;
use room::RoomView;

pub use slots::Slots;

/// Findings, and degraded volumes, that one answer looks at: there may be one for each volume.
const MOST: u16 = 100;

/// Something that is wrong, and what to do about it.
#[derive(Serialize, ToSchema)]
pub struct FindingView {
    /// `warning`: everything works, but something should be done; `fault`: something does not work.
    severity: &'static str,
    sentence: String,
    /// The command that cures it, or what else to do.
    cure: String,
}

/// Volumes of which something is missing somewhere.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DegradedView {
    /// How many of them were looked at, 100 at most.
    volumes: usize,
    /// Whether there are more.
    more: bool,
    /// What is yet to be compared of those that are being resynced.
    resync_left_bytes: u64,
}

/// The rack.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RackView {
    /// How many slots the mount has; 0 if nobody said.
    slots: usize,
    nodes: Vec<NodeView>,
    /// Those of the node that answers.
    disks: Vec<DiskView>,
    /// How many volumes there are: one for each bucket.
    volumes: u32,
    degraded: DegradedView,
    /// All disks together.
    room: RoomView,
    /// 100 at most.
    findings: Vec<FindingView>,
    /// How many there are beyond these.
    more_findings: usize,
}

/// The rack's nodes, the disks of the node that answers, and what is wrong; for operators
#[utoipa::path(
    get, path = "/api/v1/rack", operation_id = "showRack",
    responses((status = 200, body = RackView), ApiError)
)]
pub async fn show(State(state): State<ApiState>, _: Operator) -> Result<Json<RackView>, ApiError> {
    let volumed = &state.volumed;
    let pool = volumed.pool().await?;
    let view = |node| NodeView::new(node, &state.slots);
    let nodes = match volumed.nodes().await {
        Ok(nodes) => nodes.into_iter().map(view).collect(),
        Err(AdminError::Refused {
            code: ErrorCode::NotInCluster,
            ..
        }) => vec![NodeView::alone(&pool)],
        Err(error) => return Err(error.into()),
    };
    let disks = volumed.disks().await?.into_iter();
    let degraded = volumed.page_volumes("", MOST, true).await?;
    let findings = volumed.findings().await?;
    Ok(Json(RackView {
        slots: state.slots.count(),
        nodes,
        disks: disks.map(DiskView::from).collect(),
        volumes: pool.volumes,
        degraded: degraded.into(),
        room: RoomView::new(pool.capacity, pool.used, pool.free),
        more_findings: findings.len().saturating_sub(MOST.into()),
        findings: findings
            .into_iter()
            .take(MOST.into())
            .map(FindingView::from)
            .collect(),
    }))
}

impl From<VolumePage> for DegradedView {
    fn from(page: VolumePage) -> Self {
        let left = page.volumes.iter().filter_map(volumes::resync_left);
        Self {
            resync_left_bytes: left.sum(),
            volumes: page.volumes.len(),
            more: page.more,
        }
    }
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Warning => "warning",
                Severity::Fault => "fault",
            },
            sentence: finding.sentence,
            cure: finding.cure,
        }
    }
}
