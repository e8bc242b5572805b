//! The nodes of the cluster, and the cluster itself.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volumed_client::admin::{ClusterInfo, CreateJoinToken, ErrorCode, JoinTokenInfo, NodeInfo};
use volumed_cluster::{InviteError, TOKEN_LIFE};

use super::api::Api;
use super::call::{Body, Nothing, run_to_completion};
use super::refused::Refused;
use crate::cluster::{DrainNodeError, Nodes, RemoveNodeError};

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(remove))
        .routes(routes!(drain, cancel_drain))
        .routes(routes!(show))
        .routes(routes!(create_token))
}

/// Every node of the cluster
#[utoipa::path(
    get, path = "/v1/nodes", operation_id = "listNodes", tag = "nodes",
    responses((status = 200, description = "Done", body = Vec<NodeInfo>), Refused)
)]
async fn list(State(api): State<Api>) -> Result<Json<Vec<NodeInfo>>, Refused> {
    Ok(Json(api.nodes()?.list().await))
}

/// How a node leaves.
#[derive(Debug, Deserialize)]
struct Removal {
    #[serde(default)]
    accept_loss: bool,
}

/// Remove a node from the cluster for good: its key and certificates count no more
#[utoipa::path(
    delete, path = "/v1/nodes/{name}", operation_id = "removeNode", tag = "nodes",
    params(
        ("name" = String, Path, description = "What people call it"),
        ("accept_loss" = Option<bool>, Query, description = "Although it is up, and its disks hold something"),
    ),
    responses((status = 200, description = "It is in the cluster no more", body = Nothing), Refused)
)]
async fn remove(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(Removal { accept_loss }): Query<Removal>,
) -> Result<Json<Nothing>, Refused> {
    let nodes = api.nodes()?.clone();
    let removing = async move { nodes.remove(&name, accept_loss).await };
    run_to_completion(removing).await?;
    Ok(Json(Nothing {}))
}

/// Have a node give away everything that its disks hold, and the buckets that it serves
///
/// Nothing is placed there any more, and extents move to other nodes while clients go on. The node tells how far this is.
#[utoipa::path(
    post, path = "/v1/nodes/{name}/drain", operation_id = "drainNode", tag = "nodes",
    params(("name" = String, Path, description = "What people call it")),
    responses((status = 200, description = "It is being emptied", body = NodeInfo), Refused)
)]
async fn drain(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<NodeInfo>, Refused> {
    let nodes = api.nodes()?.clone();
    let draining = async move { nodes.drain(&name).await };
    Ok(Json(run_to_completion(draining).await?))
}

/// Have a node be used again; what was moved stays where it is
#[utoipa::path(
    delete, path = "/v1/nodes/{name}/drain", operation_id = "cancelNodeDrain", tag = "nodes",
    params(("name" = String, Path, description = "What people call it")),
    responses((status = 200, description = "It is used again", body = NodeInfo), Refused)
)]
async fn cancel_drain(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<NodeInfo>, Refused> {
    let nodes = api.nodes()?.clone();
    let cancelling = async move { nodes.cancel_drain(&name).await };
    Ok(Json(run_to_completion(cancelling).await?))
}

/// The cluster that this node is in
#[utoipa::path(
    get, path = "/v1/cluster", operation_id = "showCluster", tag = "nodes",
    responses((status = 200, description = "Done", body = ClusterInfo), Refused)
)]
async fn show(State(api): State<Api>) -> Result<Json<ClusterInfo>, Refused> {
    Ok(Json(api.nodes()?.show().await))
}

/// Make a token with which one node joins the cluster, once
#[utoipa::path(
    post, path = "/v1/cluster/tokens", operation_id = "createJoinToken", tag = "nodes",
    request_body = CreateJoinToken,
    responses((status = 201, description = "It is good from now on", body = JoinTokenInfo), Refused)
)]
async fn create_token(
    State(api): State<Api>,
    Body(wanted): Body<CreateJoinToken>,
) -> Result<(StatusCode, Json<JoinTokenInfo>), Refused> {
    let life = wanted.seconds.map_or(TOKEN_LIFE, Duration::from_secs);
    let token = api.nodes()?.invite(life).await?;
    Ok((StatusCode::CREATED, Json(token)))
}

impl Api {
    fn nodes(&self) -> Result<&Nodes, Refused> {
        self.cluster.as_ref().ok_or_else(|| {
            let message = "this node is in no cluster: volumed cluster init makes one of it, and volumed cluster \
                           join has it join another node's";
            Refused::new(ErrorCode::NotInCluster, message)
        })
    }
}

impl From<InviteError> for Refused {
    fn from(error: InviteError) -> Self {
        let code = match &error {
            InviteError::Life => ErrorCode::InvalidRequest,
            InviteError::Registry(_) => ErrorCode::StoreUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<RemoveNodeError> for Refused {
    fn from(error: RemoveNodeError) -> Self {
        use volumed_cluster::{RemovalError, RemoveError};
        let code = match &error {
            RemoveNodeError::NotFound(_)
            | RemoveNodeError::Removal(RemovalError::Remove(RemoveError::Unknown)) => {
                ErrorCode::NodeNotFound
            }
            RemoveNodeError::Holds { .. } | RemoveNodeError::WouldLose { .. } => {
                ErrorCode::WouldLose
            }
            RemoveNodeError::Own(_)
            | RemoveNodeError::Removal(
                RemovalError::Majority | RemovalError::Remove(RemoveError::Last),
            ) => ErrorCode::NodeState,
            RemoveNodeError::Removal(_)
            | RemoveNodeError::Cluster(_)
            | RemoveNodeError::Placements(_) => ErrorCode::StoreUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<DrainNodeError> for Refused {
    fn from(error: DrainNodeError) -> Self {
        use volumed_cluster::OrderDrainError;
        let code = match &error {
            DrainNodeError::NotFound(_) | DrainNodeError::Order(OrderDrainError::Unknown) => {
                ErrorCode::NodeNotFound
            }
            DrainNodeError::Order(_) | DrainNodeError::Cluster(_) => ErrorCode::StoreUnavailable,
        };
        Self::new(code, error.to_string())
    }
}
