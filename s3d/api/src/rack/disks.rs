//! `/api/v1/nodes/{node}/disks`: the disks of one node, drained, taken back and removed.
//!
//! A node's own volumed alone knows its disks, so in a cluster such a call is forwarded to the node that it names.

use std::convert::From;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;
use volumed_client::admin::{AdminError, DiskInfo, DiskState, ErrorCode};

use super::drain::DrainView;
use super::removal::Removal;
use super::room::RoomView;
use crate::ApiState;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::fields::Query;
use crate::path::Name;

/// What a path calls the node that answers, in a cluster or not.
const HERE: &str = "here";

/// A disk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskView {
    id: String,
    /// The folder that it is.
    path: String,
    /// `online`, `failed`, `missing` or `unknown`.
    state: &'static str,
    /// How far it is emptied; null if it is used.
    drain: Option<DrainView>,
    room: RoomView,
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
            drain: disk.drain.map(DrainView::from),
            room: RoomView::new(disk.capacity, disk.used, disk.free),
        }
    }
}

/// The disks of a node.
#[derive(Serialize, ToSchema)]
pub struct DisksView {
    disks: Vec<DiskView>,
}

/// A node and one of its disks, from the path.
#[derive(Debug)]
pub struct OnNode {
    node: String,
    disk: String,
}

impl<S: Send + Sync> FromRequestParts<S> for OnNode {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((node, disk)) = path.map_err(|_| ApiError::no_such_call())?;
        Ok(Self { node, disk })
    }
}

/// The disks of a node, which is named, or `here`: the one that answers; for operators
#[utoipa::path(
    get, path = "/api/v1/nodes/{node}/disks", operation_id = "listDisks",
    params(("node" = String, Path)),
    responses((status = 200, body = DisksView), ApiError)
)]
pub async fn list(
    State(state): State<ApiState>,
    _: Operator,
    Name(node): Name,
) -> Result<Json<DisksView>, ApiError> {
    check_here(&state, &node).await?;
    let disks = state.volumed.disks().await?.into_iter();
    let disks = disks.map(DiskView::from).collect();
    Ok(Json(DisksView { disks }))
}

/// Move what is on a disk to others, and place nothing more on it; for operators
#[utoipa::path(
    post, path = "/api/v1/nodes/{node}/disks/{disk}/drain", operation_id = "drainDisk",
    params(("node" = String, Path), ("disk" = String, Path)),
    responses((status = 200, body = DiskView), ApiError)
)]
pub async fn drain(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    on: OnNode,
) -> Result<Json<DiskView>, ApiError> {
    caller.trail.resource(&on.disk);
    check_here(&state, &on.node).await?;
    Ok(Json(state.volumed.drain_disk(&on.disk).await?.into()))
}

/// Use a disk again; what was moved stays where it is; for operators
#[utoipa::path(
    delete, path = "/api/v1/nodes/{node}/disks/{disk}/drain", operation_id = "cancelDiskDrain",
    params(("node" = String, Path), ("disk" = String, Path)),
    responses((status = 200, body = DiskView), ApiError)
)]
pub async fn cancel_drain(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    on: OnNode,
) -> Result<Json<DiskView>, ApiError> {
    caller.trail.resource(&on.disk);
    check_here(&state, &on.node).await?;
    Ok(Json(state.volumed.cancel_drain(&on.disk).await?.into()))
}

/// Take a disk back that failed or was missing; for operators
#[utoipa::path(
    post, path = "/api/v1/nodes/{node}/disks/{disk}/retry", operation_id = "retryDisk",
    params(("node" = String, Path), ("disk" = String, Path)),
    responses((status = 200, body = DiskView), ApiError)
)]
pub async fn retry(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    on: OnNode,
) -> Result<Json<DiskView>, ApiError> {
    caller.trail.resource(&on.disk);
    check_here(&state, &on.node).await?;
    Ok(Json(state.volumed.retry_disk(&on.disk).await?.into()))
}

/// Take a disk out of the pool that holds nothing, or that is dead; for operators
#[utoipa::path(
    delete, path = "/api/v1/nodes/{node}/disks/{disk}", operation_id = "removeDisk",
    params(("node" = String, Path), ("disk" = String, Path), Removal),
    responses((status = 204, description = "It is in the pool no more"), ApiError)
)]
pub async fn remove(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    on: OnNode,
    Query(removal): Query<Removal>,
) -> Result<StatusCode, ApiError> {
    caller.trail.resource(&on.disk);
    check_here(&state, &on.node).await?;
    let removed = state
        .volumed
        .remove_disk(&on.disk, removal.accepts_loss())
        .await;
    removed?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses unless the node that was named is this one.
async fn check_here(state: &ApiState, node: &str) -> Result<(), ApiError> {
    if node == HERE {
        return Ok(());
    }
    let nodes = match state.volumed.nodes().await {
        Err(AdminError::Refused {
            code: ErrorCode::NotInCluster,
            ..
        }) => Vec::new(),
        nodes => nodes?,
    };
    match nodes.iter().find(|it| it.name == node) {
        Some(it) if it.here => Ok(()),
        Some(_) => Err(ApiError::node_out_of_reach(node)),
        None => Err(ApiError::no_such_node(node)),
    }
}
