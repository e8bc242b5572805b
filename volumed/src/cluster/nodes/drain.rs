//! Draining a node: what its disks hold goes to the others, while clients go on.
//!
//! That a node is drained is in its record, which every node reads every two seconds. The node itself drains its disks
//! then, and s3d on it gives its buckets to other nodes.

use volumed_client::admin::{DrainInfo, DrainState, NodeInfo};
use volumed_cluster::{ClusterError, Node, NodeDrain, OrderDrainError, Registry as _, now};
use volumed_node::NodeView;

use super::Nodes;

/// Why a node is used, or drained, as before.
#[derive(Debug, thiserror::Error)]
pub enum DrainNodeError {
    /// There is none of that name.
    #[error("the cluster has no node {0:?}: volumed node list shows them all")]
    NotFound(String),
    /// The record was not changed.
    #[error(transparent)]
    Order(#[from] OrderDrainError),
    /// The nodes cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Nodes {
    /// Has a node be emptied.
    pub async fn drain(&self, name: &str) -> Result<NodeInfo, DrainNodeError> {
        let node = self.named(name).await?;
        let views = self.volumes.nodes();
        let view = views.iter().find(|view| view.id == node.id);
        let drain = NodeDrain {
            begun: now(),
            held: view.map_or(0, |view| view.used.0),
        };
        self.order_drain(&node, Some(drain)).await
    }

    /// Has a node be used again.
    pub async fn cancel_drain(&self, name: &str) -> Result<NodeInfo, DrainNodeError> {
        let node = self.named(name).await?;
        self.order_drain(&node, None).await
    }

    async fn order_drain(
        &self,
        node: &Node,
        drain: Option<NodeDrain>,
    ) -> Result<NodeInfo, DrainNodeError> {
        self.registry.order_drain(node.id, drain).await?;
        self.cluster.refresh(&*self.registry).await?;
        self.obey().await;
        let listed = self.list().await.into_iter();
        let mut listed = listed.filter(|info| info.number == node.number.0);
        let gone = || DrainNodeError::NotFound(node.name.to_string());
        listed.next().ok_or_else(gone)
    }

    async fn named(&self, name: &str) -> Result<Node, DrainNodeError> {
        let found = self.find(name).await?;
        found.ok_or_else(|| DrainNodeError::NotFound(name.to_owned()))
    }

    /// Empties the disks of this node, or uses them again, as its record says.
    pub async fn obey(&self) {
        let own = self.cluster.own().node;
        let nodes = self.cluster.members().nodes;
        let drained = nodes
            .iter()
            .any(|node| node.id == own && node.drain.is_some());
        if let Err(error) = self.volumes.drain_with_node(drained).await {
            tracing::warn!(%error, drained, "this node's disks are not what the cluster wants yet");
        }
    }
}

/// How far a node is, if it is drained.
pub(super) fn info(node: &Node, view: Option<&NodeView>, room: bool) -> Option<DrainInfo> {
    let NodeDrain { begun, held } = node.drain?;
    let (left, served) = view.map_or((held, 0), |view| (view.used.0, view.served));
    let moved = held.saturating_sub(left);
    let state = match view {
        _ if left > 0 && !room => DrainState::WaitingForRoom,
        Some(view) if view.drain_waits => DrainState::WaitingForRoom,
        _ if left > 0 => DrainState::Moving,
        _ if served > 0 => DrainState::Serving,
        _ => DrainState::Drained,
    };
    let moves = state == DrainState::Moving && moved > 0;
    let elapsed = u128::from(now().saturating_sub(begun));
    let seconds = elapsed * u128::from(left) / u128::from(moved.max(1));
    Some(DrainInfo {
        state,
        begun,
        moved,
        left,
        seconds_left: moves.then(|| u64::try_from(seconds).unwrap_or(u64::MAX)),
    })
}

#[cfg(test)]
mod tests {
    use volumed_cluster::{NodeId, NodeNumber, Place, Ports};
    use volumed_core::ByteCount;

    use super::*;

    fn drained(used: u64, served: u32, room: bool) -> (DrainState, u64, u64, bool) {
        let address = std::net::IpAddr::from([127, 0, 0, 1]);
        let node = Node {
            version: 1,
            id: NodeId(7),
            number: NodeNumber(1),
            name: "n".parse().unwrap(),
            place: Place::new(vec![address], Ports::default()).unwrap(),
            joined: 0,
            signs: false,
            certificates: Vec::new(),
            drain: Some(NodeDrain {
                begun: now() - 100,
                held: 1000,
            }),
        };
        let view = NodeView {
            id: node.id,
            number: node.number,
            name: node.name.clone(),
            here: false,
            up: true,
            unreachable: None,
            disks: 1,
            capacity: ByteCount(5000),
            used: ByteCount(used),
            free: ByteCount(0),
            served,
            drain_waits: false,
            usable: 0,
        };
        let found = info(&node, Some(&view), room).unwrap();
        let tells = found.seconds_left.is_some();
        (found.state, found.moved, found.left, tells)
    }

    #[test]
    fn it_is_drained_once_nothing_is_left_and_nothing_is_served() {
        use DrainState::{Drained, Moving, Serving, WaitingForRoom};
        assert_eq!(drained(1000, 1, true), (Moving, 0, 1000, false));
        assert_eq!(drained(400, 1, true), (Moving, 600, 400, true));
        assert_eq!(drained(400, 1, false), (WaitingForRoom, 600, 400, false));
        assert_eq!(drained(0, 1, true), (Serving, 1000, 0, false));
        assert_eq!(drained(0, 0, false), (Drained, 1000, 0, false));
    }
}
