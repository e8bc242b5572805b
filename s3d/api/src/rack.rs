//! `/api/v1/rack`: the nodes and disks below the buckets, for operators.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use volumed_client::admin::{
    AdminError, DiskInfo, DiskState, ErrorCode, Finding, NodeInfo, PoolInfo, Severity,
};

use super::ApiState;
use super::caller::Operator;
use super::error::ApiError;

/// Room on disks, in bytes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "their names say the unit")]
pub struct RoomView {
    /// What can be held, less the reserve.
    capacity_bytes: u64,
    /// What volumes hold.
    used_bytes: u64,
    /// What can still be written.
    free_bytes: u64,
}

/// A node, as the one that was asked sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Counted from 1; null if the rack is one node alone, in no cluster.
    number: Option<u16>,
    name: String,
    /// It is the one that was asked.
    here: bool,
    /// Its daemon runs and reaches the metadata store.
    up: bool,
    /// Why the node that was asked has no link with it, if it has none.
    unreachable: Option<String>,
    /// Whether it is being emptied, or is empty.
    draining: bool,
    disks: u32,
    /// Volumes that it serves; null if it is one node alone.
    served: Option<u32>,
    room: RoomView,
}

/// A disk of the node that was asked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskView {
    id: String,
    path: String,
    /// `online`, `failed` or `missing`.
    state: &'static str,
    /// Whether it is being emptied, or is empty.
    draining: bool,
    room: RoomView,
}

/// Something that is wrong, and what to do about it.
#[derive(Serialize, ToSchema)]
pub struct FindingView {
    /// `warning`: everything works, but something should be done; `fault`: something does not work.
    severity: &'static str,
    sentence: String,
    /// The command that cures it, or what else to do.
    cure: String,
}

/// The rack.
#[derive(Serialize, ToSchema)]
pub struct RackView {
    nodes: Vec<NodeView>,
    disks: Vec<DiskView>,
    /// How many volumes there are: one for each bucket.
    volumes: u32,
    /// All disks together.
    room: RoomView,
    findings: Vec<FindingView>,
}

/// The rack's nodes, the disks of the node that answers, and what is wrong; for operators
#[utoipa::path(
    get, path = "/api/v1/rack", operation_id = "showRack",
    responses((status = 200, body = RackView), ApiError)
)]
pub async fn show(State(state): State<ApiState>, _: Operator) -> Result<Json<RackView>, ApiError> {
    let volumed = &state.volumed;
    let pool = volumed.pool().await?;
    let nodes = match volumed.nodes().await {
        Ok(nodes) => nodes.into_iter().map(NodeView::from).collect(),
        Err(AdminError::Refused {
            code: ErrorCode::NotInCluster,
            ..
        }) => vec![NodeView::alone(&pool)],
        Err(error) => return Err(error.into()),
    };
    let disks = volumed.disks().await?.into_iter();
    let findings = volumed.findings().await?.into_iter();
    Ok(Json(RackView {
        nodes,
        disks: disks.map(DiskView::from).collect(),
        volumes: pool.volumes,
        room: RoomView::new(pool.capacity, pool.used, pool.free),
        findings: findings.map(FindingView::from).collect(),
    }))
}

impl RoomView {
    fn new(capacity_bytes: u64, used_bytes: u64, free_bytes: u64) -> Self {
        Self {
            capacity_bytes,
            used_bytes,
            free_bytes,
        }
    }
}

impl NodeView {
    /// The node of a rack that is in no cluster.
    fn alone(pool: &PoolInfo) -> Self {
        Self {
            number: None,
            name: "this node".to_owned(),
            here: true,
            up: true,
            unreachable: None,
            draining: false,
            disks: pool.disks,
            served: None,
            room: RoomView::new(pool.capacity, pool.used, pool.free),
        }
    }
}

impl From<NodeInfo> for NodeView {
    fn from(node: NodeInfo) -> Self {
        Self {
            number: Some(node.number),
            name: node.name,
            here: node.here,
            up: node.up,
            unreachable: node.unreachable,
            draining: node.drain.is_some(),
            disks: node.disks,
            served: Some(node.served),
            room: RoomView::new(node.capacity, node.used, node.free),
        }
    }
}

impl From<DiskInfo> for DiskView {
    fn from(disk: DiskInfo) -> Self {
        Self {
            id: disk.id,
            path: disk.path.display().to_string(),
            state: match disk.state {
                DiskState::Online => "online",
                DiskState::Failed => "failed",
                DiskState::Missing => "missing",
                DiskState::Unknown => "unknown",
            },
            draining: disk.drain.is_some(),
            room: RoomView::new(disk.capacity, disk.used, disk.free),
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
