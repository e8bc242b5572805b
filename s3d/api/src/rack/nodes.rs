//! `/api/v1/nodes/{node}` and `/api/v1/join-tokens`: nodes drained, removed and let in.

use std::convert::From;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use s3d_accounts::clock;
use s3d_bucket::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use volumed_client::admin::{CreateJoinToken, NodeInfo, PoolInfo};

use super::drain::DrainView;
use super::removal::Removal;
use super::room::RoomView;
use super::slots::Slots;
use crate::ApiState;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::fields::Query;
use crate::path::Name;

/// A node, as the one that was asked sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Counted from 1; null if the rack is one node alone, in no cluster.
    number: Option<u16>,
    name: String,
    /// Where it is in the mount, counted from 1; null if nobody said.
    slot: Option<usize>,
    /// It is the one that was asked.
    here: bool,
    /// Its daemon runs and reaches the metadata store.
    up: bool,
    /// Why the node that was asked has no link with it, if it has none.
    unreachable: Option<String>,
    /// How far it is emptied; null if it is used.
    drain: Option<DrainView>,
    disks: u32,
    /// Volumes that it serves; null if it is one node alone.
    served: Option<u32>,
    room: RoomView,
}

impl NodeView {
    /// The node of a rack that is in no cluster.
    pub fn alone(pool: &PoolInfo) -> Self {
        Self {
            number: None,
            name: "this node".to_owned(),
            slot: None,
            here: true,
            up: true,
            unreachable: None,
            drain: None,
            disks: pool.disks,
            served: None,
            room: RoomView::new(pool.capacity, pool.used, pool.free),
        }
    }

    pub fn new(node: NodeInfo, slots: &Slots) -> Self {
        Self {
            number: Some(node.number),
            slot: slots.of(&node.name),
            name: node.name,
            here: node.here,
            up: node.up,
            unreachable: node.unreachable,
            drain: node.drain.map(DrainView::from),
            disks: node.disks,
            served: Some(node.served),
            room: RoomView::new(node.capacity, node.used, node.free),
        }
    }
}

/// Have a node give away what its disks hold, and the buckets that it serves; for operators
#[utoipa::path(
    post, path = "/api/v1/nodes/{node}/drain", operation_id = "drainNode",
    params(("node" = String, Path)),
    responses((status = 200, body = NodeView), ApiError)
)]
pub async fn drain(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Name(node): Name,
) -> Result<Json<NodeView>, ApiError> {
    caller.trail.resource(&node);
    let node = state.volumed.drain_node(&node).await?;
    Ok(Json(NodeView::new(node, &state.slots)))
}

/// Use a node again; what was moved stays where it is; for operators
#[utoipa::path(
    delete, path = "/api/v1/nodes/{node}/drain", operation_id = "cancelNodeDrain",
    params(("node" = String, Path)),
    responses((status = 200, body = NodeView), ApiError)
)]
pub async fn cancel_drain(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Name(node): Name,
) -> Result<Json<NodeView>, ApiError> {
    caller.trail.resource(&node);
    let node = state.volumed.cancel_node_drain(&node).await?;
    Ok(Json(NodeView::new(node, &state.slots)))
}

/// Remove a node from the cluster for good; for operators
///
/// Its key counts no more: to come back it joins as a new one. Another node than itself has to be asked.
#[utoipa::path(
    delete, path = "/api/v1/nodes/{node}", operation_id = "removeNode",
    params(("node" = String, Path), Removal),
    responses((status = 204, description = "It is in the cluster no more"), ApiError)
)]
pub async fn remove(
    State(state): State<ApiState>,
    Operator(caller): Operator,
    Name(node): Name,
    Query(removal): Query<Removal>,
) -> Result<StatusCode, ApiError> {
    caller.trail.resource(&node);
    let removed = state
        .volumed
        .remove_node(&node, removal.accepts_loss())
        .await;
    removed?;
    Ok(StatusCode::NO_CONTENT)
}

/// A token with which one node joins, once. Whoever has it may join, so it is a secret.
#[derive(Serialize, ToSchema)]
pub struct JoinTokenView {
    /// For `volumed cluster join`.
    token: String,
    /// Until when it is good.
    expires: String,
}

/// Make a token with which one node joins the cluster within an hour; for operators
#[utoipa::path(
    post, path = "/api/v1/join-tokens", operation_id = "createJoinToken",
    responses((status = 201, body = JoinTokenView), ApiError)
)]
pub async fn create_join_token(
    State(state): State<ApiState>,
    _: Operator,
) -> Result<(StatusCode, Json<JoinTokenView>), ApiError> {
    let wanted = CreateJoinToken::default();
    let made = state.volumed.create_join_token(&wanted).await?;
    let view = JoinTokenView {
        token: made.token,
        expires: clock::text(Timestamp(made.expires.saturating_mul(1_000))),
    };
    Ok((StatusCode::CREATED, Json(view)))
}
