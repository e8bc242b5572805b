//! The nodes of a cluster, and the cluster itself.

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::client::{AdminClient, AdminError, Empty, segment};
use super::drain::DrainInfo;

/// A node of the cluster, as the node that was asked sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeInfo {
    /// 32 hex digits, made from the node's key.
    pub id: String,
    /// Counted from 1, and never given twice.
    pub number: u16,
    /// What people call it.
    pub name: String,
    /// Its addresses; the other nodes connect to the first one.
    pub addresses: Vec<String>,
    /// It is the one that was asked.
    pub here: bool,
    /// Its daemon runs and reaches the metadata store.
    pub up: bool,
    /// Since when it is not up, in seconds since 1970, as far as the node that was asked knows.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub down_since: Option<u64>,
    /// Why the node that was asked has no link with it, if it has none.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub unreachable: Option<String>,
    /// Whether it runs etcd; none while etcd does not answer.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub etcd: Option<bool>,
    /// How many disks it has.
    pub disks: u32,
    /// Bytes that they can hold, less their reserve.
    pub capacity: u64,
    /// Bytes that volumes hold on them.
    pub used: u64,
    /// Bytes that can still be written there.
    pub free: u64,
    /// Volumes that it serves.
    pub served: u32,
    /// How far it is emptied, if it is.
    #[serde(default)]
    pub drain: Option<DrainInfo>,
}

/// The cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClusterInfo {
    /// 32 hex digits, drawn when it was made.
    pub id: String,
    /// The name of the node that was asked.
    pub node: String,
    /// The fingerprint of the authority that signs the nodes' certificates.
    pub fingerprint: String,
    /// How many nodes there are.
    pub nodes: u64,
    /// etcd's members; none while etcd does not answer.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub members: Option<Vec<StoreMember>>,
    /// When the certificate of the node that was asked expires, in seconds since 1970. It renews itself long before.
    pub certificate_expires: u64,
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoreMember {
    /// The name of its node; none if that is in the cluster no more.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub node: Option<String>,
    /// Whether it counts for majorities; a new one does not before it has everything.
    pub votes: bool,
    /// Whether it answers, if it votes.
    pub answers: bool,
}

/// Asks for a token with which one node joins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateJoinToken {
    /// For how many seconds it is good, at most a week; an hour without it.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// A token with which one node joins. Whoever has it may join, so it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JoinTokenInfo {
    /// For `volumed cluster join`.
    pub token: String,
    /// Until when it is good, in seconds since 1970.
    pub expires: u64,
}

impl AdminClient {
    /// Every node of the cluster, by number.
    pub async fn nodes(&self) -> Result<Vec<NodeInfo>, AdminError> {
        self.get("/v1/nodes").await
    }

    /// Removes a node from the cluster for good; with `accept_loss` also one that is up and holds something.
    pub async fn remove_node(&self, name: &str, accept_loss: bool) -> Result<(), AdminError> {
        let path = format!("/v1/nodes/{}?accept_loss={accept_loss}", segment(name));
        self.call::<(), Empty>(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// Has a node give away everything that its disks hold, and the buckets that it serves.
    pub async fn drain_node(&self, name: &str) -> Result<NodeInfo, AdminError> {
        let path = format!("/v1/nodes/{}/drain", segment(name));
        self.call::<(), _>(Method::POST, &path, None).await
    }

    /// Has a node be used again; what was moved stays where it is.
    pub async fn cancel_node_drain(&self, name: &str) -> Result<NodeInfo, AdminError> {
        let path = format!("/v1/nodes/{}/drain", segment(name));
        self.call::<(), _>(Method::DELETE, &path, None).await
    }

    /// The cluster that the node is in.
    pub async fn cluster(&self) -> Result<ClusterInfo, AdminError> {
        self.get("/v1/cluster").await
    }

    /// Makes a token with which one node joins the cluster.
    pub async fn create_join_token(
        &self,
        wanted: &CreateJoinToken,
    ) -> Result<JoinTokenInfo, AdminError> {
        self.call(Method::POST, "/v1/cluster/tokens", Some(wanted))
            .await
    }
}
