//! The nodes of the cluster as this one knows them: shown, invited, removed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use volumed_client::admin::{ClusterInfo, Finding, JoinTokenInfo, NodeInfo, StoreMember};
use volumed_cluster::{
    Cluster, ClusterError, EtcdMembers, InviteError, Membership, Node, NodeId, NodeName, Part,
    Presence, RemovalError, StoreRegistry, invite, remove_node,
};
use volumed_core::size::display;
use volumed_meta::MetaStore;
use volumed_node::{NodeView, ShowVolumeError, VolumeName, Volumes};

use super::entered::Entered;
use super::presences::Presences;

mod drain;
mod health;

pub use drain::DrainNodeError;

/// The nodes of this node's cluster.
#[derive(Clone)]
pub struct Nodes {
    cluster: Arc<Cluster>,
    registry: Arc<StoreRegistry>,
    members: EtcdMembers,
    /// etcd's members as they were seen last.
    seen: Arc<Mutex<Option<SeenMembers>>>,
    presences: Arc<Presences>,
    volumes: Volumes,
}

/// etcd's members at a time; none if etcd did not answer.
#[derive(Debug, Clone)]
struct SeenMembers {
    at: Instant,
    members: Option<Vec<Membership>>,
}

/// A look at etcd's members counts for so long: it asks each of them, and waits seconds for one that is down.
const FRESH: Duration = Duration::from_secs(5);

/// Why a node was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveNodeError {
    /// There is none of that name.
    #[error("the cluster has no node {0:?}: volumed node list shows them all")]
    NotFound(String),
    /// It is this one.
    #[error("{0} is the node that was asked: have another node remove it")]
    Own(NodeName),
    /// It serves what it holds.
    #[error(
        "node {name} is up, and its disks hold {} of volumes: drain it first (volumed node drain {name}), or add \
         --accept-loss to lose what only they hold", display(*.held)
    )]
    Holds {
        /// The node.
        name: NodeName,
        /// Bytes.
        held: u64,
    },
    /// Nobody else has it.
    #[error(
        "only node {name} holds extents of {volumes} volumes, {extents} of {volume} among them: start it and drain it \
         (volumed node drain {name}), or add --accept-loss to lose them for good"
    )]
    WouldLose {
        /// The node.
        name: NodeName,
        /// How many volumes have something there alone.
        volumes: usize,
        /// One of them.
        volume: VolumeName,
        /// How many extents of that one.
        extents: usize,
    },
    /// What is placed where cannot be read.
    #[error(transparent)]
    Placements(#[from] ShowVolumeError),
    /// etcd or the registry refused.
    #[error(transparent)]
    Removal(#[from] RemovalError),
    /// The nodes cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Nodes {
    /// Of the cluster that this node entered, whose store is `store`.
    pub fn of(entered: &Entered, store: Arc<dyn MetaStore>, volumes: &Volumes) -> Self {
        Self {
            cluster: entered.cluster.clone(),
            registry: Arc::new(StoreRegistry::new(store)),
            members: entered.keeper.members().clone(),
            seen: Arc::default(),
            presences: Arc::default(),
            volumes: volumes.clone(),
        }
    }

    /// Where they are recorded.
    pub fn registry(&self) -> Arc<StoreRegistry> {
        self.registry.clone()
    }

    /// Lets the volumes know the nodes that were read last, and looks which of them are up.
    pub fn look(&self) {
        self.volumes.know_nodes(self.cluster.members().nodes);
        self.views();
    }

    /// The nodes as the volumes see them.
    fn views(&self) -> Vec<NodeView> {
        let views = self.volumes.nodes();
        self.presences.note(&views, Instant::now());
        views
    }

    /// Whether a node is up.
    pub fn presence(&self, node: NodeId, at: Instant) -> Presence {
        self.presences.of(node, at)
    }

    /// The nodes that were removed.
    pub fn removed(&self) -> Vec<NodeId> {
        let removed = self.cluster.members().removed;
        removed.iter().map(|node| node.id).collect()
    }

    /// Whether this node was removed.
    pub fn is_removed(&self) -> bool {
        self.removed().contains(&self.cluster.own().node)
    }

    /// A token that lets one node in, once, within `life`.
    pub async fn invite(&self, life: Duration) -> Result<JoinTokenInfo, InviteError> {
        let token = invite(&self.cluster, &*self.registry, life).await?;
        Ok(JoinTokenInfo {
            expires: token.expires,
            token: token.to_string(),
        })
    }

    /// Every node, by number, also while the store does not answer.
    pub async fn list(&self) -> Vec<NodeInfo> {
        let members = self.memberships().await;
        let views = self.views();
        let nodes = self.cluster.members().nodes;
        let most = self.volumes.most_replicas();
        let infos = nodes.iter().map(|node| {
            let view = views.iter().find(|view| view.id == node.id);
            let others = views.iter().filter(|view| view.id != node.id);
            let usable: u32 = others.map(|view| view.usable).sum();
            self.info(node, (view, usable >= most.into()), members.as_deref())
        });
        infos.collect()
    }

    /// `room`: whether other nodes have as many disks as some volume needs.
    fn info(
        &self,
        node: &Node,
        (view, room): (Option<&NodeView>, bool),
        members: Option<&[Membership]>,
    ) -> NodeInfo {
        let here = node.id == self.cluster.own().node;
        let runs_etcd = |members: &[Membership]| {
            let mut nodes = members.iter().map(|member| member.node);
            nodes.any(|id| id == Some(node.id))
        };
        let bytes = |of: fn(&NodeView) -> u64| view.map_or(0, of);
        NodeInfo {
            id: node.id.to_string(),
            number: node.number.0,
            name: node.name.to_string(),
            addresses: node
                .place
                .addresses
                .iter()
                .map(ToString::to_string)
                .collect(),
            here,
            up: view.map_or(here, |view| view.up),
            down_since: self.presences.down_since(node.id),
            unreachable: view.and_then(|view| view.unreachable.clone()),
            etcd: members.map(runs_etcd),
            disks: view.map_or(0, |view| view.disks),
            capacity: bytes(|view| view.capacity.0),
            used: bytes(|view| view.used.0),
            free: bytes(|view| view.free.0),
            served: view.map_or(0, |view| view.served),
            drain: drain::info(node, view, room),
        }
    }

    /// The cluster as a whole.
    pub async fn show(&self) -> ClusterInfo {
        let own = self.cluster.own();
        let nodes = self.cluster.members().nodes;
        let members = self.memberships().await;
        let member = |member: &Membership| StoreMember {
            node: nodes
                .iter()
                .find(|node| Some(node.id) == member.node)
                .map(|it| it.name.to_string()),
            votes: matches!(member.part, Part::Voter { .. }),
            answers: member.part == Part::Voter { answers: true },
        };
        ClusterInfo {
            id: own.cluster.to_string(),
            node: own.name.to_string(),
            fingerprint: self.cluster.fingerprint().to_string(),
            nodes: nodes.len() as u64,
            members: members.map(|members| members.iter().map(member).collect()),
            certificate_expires: self.cluster.identity().certificate().expires,
        }
    }

    /// The node of that name, as the store has it now.
    async fn find(&self, name: &str) -> Result<Option<Node>, ClusterError> {
        self.cluster.refresh(&*self.registry).await?;
        let nodes = self.cluster.members().nodes;
        Ok(nodes.into_iter().find(|node| node.name.to_string() == name))
    }

    /// Removes a node for good: its key and certificates count no more.
    pub async fn remove(&self, name: &str, accept_loss: bool) -> Result<(), RemoveNodeError> {
        let node = self.find(name).await?;
        let node = node.ok_or_else(|| RemoveNodeError::NotFound(name.to_owned()))?;
        if node.id == self.cluster.own().node {
            return Err(RemoveNodeError::Own(node.name));
        }
        let views = self.volumes.nodes();
        let up = views.iter().find(|view| view.id == node.id && view.up);
        if let Some(view) = up.filter(|view| view.used.0 > 0 && !accept_loss) {
            let (name, held) = (node.name, view.used.0);
            return Err(RemoveNodeError::Holds { name, held });
        }
        if !accept_loss {
            self.refuse_to_lose(&node).await?;
        }
        Box::pin(remove_node(&self.members, &*self.registry, node.id)).await?;
        tracing::info!(node = %node.name, "the node was removed from the cluster");
        self.cluster.refresh(&*self.registry).await?;
        Ok(())
    }

    /// What only this node's disks hold would be lost.
    async fn refuse_to_lose(&self, node: &Node) -> Result<(), RemoveNodeError> {
        let only = self.volumes.held_only_by(node.id).await?;
        match only.first() {
            None => Ok(()),
            Some((volume, extents)) => Err(RemoveNodeError::WouldLose {
                name: node.name.clone(),
                volumes: only.len(),
                volume: volume.clone(),
                extents: *extents,
            }),
        }
    }

    /// What is wrong with the cluster.
    pub async fn findings(&self) -> Vec<Finding> {
        let nodes = self.list().await;
        let members = self.memberships().await;
        let joined = self
            .cluster
            .members()
            .nodes
            .iter()
            .map(|it| it.joined)
            .max();
        let mut found = health::of_nodes(&nodes);
        found.extend(members.and_then(|members| health::of_members(&members, nodes.len())));
        found.extend(health::of_certificate(
            self.cluster.identity().certificate(),
            volumed_cluster::now(),
        ));
        found.extend(health::of_clock(
            joined.unwrap_or_default(),
            volumed_cluster::now(),
        ));
        found
    }

    /// Which members etcd has, and which of them answer; none if etcd does not. One look for all who ask at once.
    async fn memberships(&self) -> Option<Vec<Membership>> {
        let mut seen = self.seen.lock().await;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.at.elapsed() < FRESH) {
            return seen.members.clone();
        }
        let members = Box::pin(self.members.memberships()).await.ok();
        *seen = Some(SeenMembers {
            at: Instant::now(),
            members: members.clone(),
        });
        members
    }
}
