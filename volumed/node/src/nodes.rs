//! This node among the others of its cluster.

use volumed_cluster::{Node, NodeId, NodeName, NodeNumber};
use volumed_core::ByteCount;
use volumed_peer::{Identity, Security, Settings};

use crate::volumes::Volumes;

/// This node, if it is in a cluster.
#[derive(Clone)]
pub struct OwnNode {
    /// Its number.
    pub number: NodeNumber,
    /// What people call it.
    pub name: NodeName,
    /// Who it is to other nodes.
    pub identity: Identity,
    /// How links are protected.
    pub security: Security,
    /// How links are tuned.
    pub links: Settings,
}

/// A node as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its id.
    pub id: NodeId,
    /// Its number.
    pub number: NodeNumber,
    /// What people call it.
    pub name: NodeName,
    /// It is this one.
    pub here: bool,
    /// Its daemon runs and reaches the store.
    pub up: bool,
    /// Why there is no link with it, if there is none.
    pub unreachable: Option<String>,
    /// Its disks.
    pub disks: u32,
    /// Bytes that they have.
    pub capacity: ByteCount,
    /// Bytes of volumes on them.
    pub used: ByteCount,
    /// Bytes that can be placed there.
    pub free: ByteCount,
    /// Volumes that it serves.
    pub served: u32,
}

impl Volumes {
    /// Keeps links with these nodes, and with no others; this node among them is passed over. To be called
    /// whenever they change.
    pub fn know_nodes(&self, nodes: Vec<Node>) {
        let _ = (self, nodes);
    }

    /// Every node of the cluster, by number; none without one.
    pub fn nodes(&self) -> Vec<NodeView> {
        let _ = self;
        Vec::new()
    }
}
