//! This node among the others of its cluster.

mod follow;
mod heads;
mod lease;
mod only;
pub(crate) mod others;
mod presence;
mod sight;
mod stay;

use std::sync::Arc;
use std::time::{Duration, Instant};

use volumed_cluster::{Node, NodeId, NodeName, NodeNumber};
use volumed_core::ByteCount;
use volumed_meta::{MetaStore, StoreError};
use volumed_peer::{Identity, Security, Settings};

use crate::machine;
use crate::store::records::VERSION;
use crate::volumes::{Shared, Volumes};
use heads::HeadsHere;
use others::Others;
use presence::Presence;

/// How long a head that begins waits for links.
const PATIENCE: Duration = Duration::from_secs(3);

const LOOK: Duration = Duration::from_millis(20);

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
    /// Disks that are drained cannot be emptied for now.
    pub drain_waits: bool,
    /// Disks on which extents may be placed.
    pub usable: u32,
}

impl Volumes {
    /// Keeps links with these nodes, and with no others; this node among them is passed over. To be called
    /// whenever they change.
    pub fn know_nodes(&self, nodes: Vec<Node>) {
        if let Some(others) = &self.shared.node.others {
            others.know(nodes);
        }
    }

    /// How long this node may serve without hearing from the store again; `None` if that does not matter, since
    /// it is in no cluster.
    pub fn lease(&self) -> Option<Duration> {
        let others = self.shared.node.others.as_ref()?;
        Some(others.counted())
    }

    /// Every node of the cluster, by number; none without one.
    pub fn nodes(&self) -> Vec<NodeView> {
        let Some(others) = &self.shared.node.others else {
            return Vec::new();
        };
        let known: Vec<_> = others.sight().nodes().cloned().collect();
        let known = known.iter().map(|node| other_view(others, node));
        let mut all: Vec<_> = known.chain([self.own_view(others)]).collect();
        all.sort_by_key(|node| node.number);
        all
    }

    fn own_view(&self, others: &Others) -> NodeView {
        let presence = self.shared.presence();
        let own = &others.own;
        let id = NodeId(own.identity.node.0);
        NodeView {
            here: true,
            up: others.lease.stands(),
            unreachable: None,
            ..view((id, own.number, own.name.clone()), &presence)
        }
    }
}

fn other_view(others: &Others, node: &Node) -> NodeView {
    let present = others.sight().presence(node.number).cloned();
    let up = present.is_some();
    let presence = present.unwrap_or(Presence {
        version: VERSION,
        disks: Vec::new(),
        served: 0,
    });
    NodeView {
        here: false,
        up,
        unreachable: others.unreachable(node),
        ..view((node.id, node.number, node.name.clone()), &presence)
    }
}

fn view((id, number, name): (NodeId, NodeNumber, NodeName), presence: &Presence) -> NodeView {
    let disks = &presence.disks;
    NodeView {
        id,
        number,
        name,
        here: false,
        up: true,
        unreachable: None,
        disks: disks.len() as u32,
        capacity: ByteCount(disks.iter().map(|disk| disk.capacity).sum()),
        used: ByteCount(disks.iter().map(|disk| disk.used).sum()),
        free: ByteCount(disks.iter().map(|disk| disk.free).sum()),
        served: presence.served,
        drain_waits: disks.iter().any(|disk| disk.waits),
        usable: disks.iter().filter(|disk| !disk.draining).count() as u32,
    }
}

/// Begins to follow the other nodes, and to stay among them.
pub(crate) fn begin(shared: &Arc<Shared>) {
    let Some(others) = &shared.node.others else {
        return;
    };
    let weak = || (Arc::downgrade(shared), Arc::clone(others));
    let (volumes, of) = weak();
    tokio::spawn(follow::follow(volumes, of));
    let (volumes, of) = weak();
    tokio::spawn(stay::stay(volumes, of));
    let (volumes, of) = weak();
    tokio::spawn(stay::end_when_it_ends(volumes, of));
}

/// What a node needs before its volumes can be started: a lease, and whom it can ask.
pub(crate) async fn join(
    store: &dyn MetaStore,
    own: Option<OwnNode>,
) -> Result<Option<Arc<Others>>, StoreError> {
    let Some(own) = own else { return Ok(None) };
    let others = Others::new(own);
    others.lease.take(store).await?;
    let present = presence::read(store).await?;
    others.sight_mut().saw_all(present);
    Ok(Some(Arc::new(others)))
}

impl machine::Node {
    /// Has links tell this node's heads what becomes of what they ask.
    pub(crate) fn connect(self: &Arc<Self>) {
        if let Some(others) = &self.others {
            others.connect(Arc::new(HeadsHere(Arc::downgrade(self))));
        }
    }

    /// Waits a moment for links to nodes that are up: without them, a head that begins would have to take their
    /// disks for stale.
    pub(crate) async fn await_links(&self) {
        let Some(others) = &self.others else { return };
        let deadline = Instant::now() + PATIENCE;
        while others.awaited() && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
    }
}
