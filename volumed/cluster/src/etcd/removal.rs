//! Takes a node out of the cluster.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::now;
use crate::etcd::members::{EtcdError, EtcdMembers};
use crate::etcd::plan::may_leave;
use crate::id::NodeId;
use crate::node::RemovedNode;
use crate::registry::{Registry, RemoveError};

/// etcd wants to have seen its members for five seconds.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_secs(1);

/// Why a node stays.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// etcd did not answer.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// The store would stop.
    #[error(
        "without this node the metadata store has no majority; start the other members first (`volumed node list`)"
    )]
    Majority,
    /// It is not there, or the only one.
    #[error(transparent)]
    Remove(#[from] RemoveError),
}

/// Removes a node: its membership of etcd first, while it can still have its say in that, then the node, whose key
/// and certificates nobody accepts from then on.
pub async fn remove_node(
    members: &EtcdMembers,
    registry: &dyn Registry,
    node: NodeId,
) -> Result<RemovedNode, RemovalError> {
    let nodes = registry.nodes().await.map_err(RemoveError::from)?;
    match &nodes[..] {
        [only] if only.id == node => return Err(RemoveError::Last.into()),
        nodes if !nodes.iter().any(|known| known.id == node) => {
            return Err(RemoveError::Unknown.into());
        }
        _ => {}
    }
    let begun = Instant::now();
    loop {
        match leave(members, node).await {
            Err(RemovalError::Etcd(EtcdError::Unsettled)) if begun.elapsed() < PATIENCE => {
                sleep(LOOK).await;
            }
            left => break left?,
        }
    }
    Ok(registry.remove(node, now()).await?)
}

async fn leave(members: &EtcdMembers, node: NodeId) -> Result<(), RemovalError> {
    let memberships = members.memberships().await?;
    let kept = memberships.iter().find(|member| member.node == Some(node));
    let Some(member) = kept else {
        return Ok(());
    };
    if !may_leave(member.id, &memberships) {
        return Err(RemovalError::Majority);
    }
    Ok(members.remove(member.id).await?)
}
