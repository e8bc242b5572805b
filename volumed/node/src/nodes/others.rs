//! The other nodes: what is known of them, and the links with them.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::oneshot;
use volumed_cluster::Node;
use volumed_core::head::PlaceFailure;
use volumed_core::message::{Answer, Ask, ExtentFile, MOST_LISTED, Message, OpId, ReplicaError};
use volumed_core::{DiskNumber, Epoch, Incarnation, VolumeId};
use volumed_peer::{Heads, NodeId, Peers};

use super::OwnNode;
use super::lease::Lease;
use super::sight::{AwayDisk, Sight};

/// Operations with this bit are the node's own, and no head's.
const OWN: u64 = 1 << 63;

/// The other nodes.
pub(crate) struct Others {
    pub own: OwnNode,
    pub lease: Lease,
    peers: OnceLock<Peers>,
    sight: RwLock<Sight>,
    /// Files that are being made, by the operation that asked for them.
    creating: Mutex<HashMap<OpId, oneshot::Sender<Answer>>>,
    next_op: AtomicU64,
    /// Held for each head that ends because the lease has, as long as its connections stand.
    ending: Arc<()>,
}

impl Others {
    pub fn new(own: OwnNode) -> Self {
        let sight = Sight::new(own.number);
        Self {
            own,
            lease: Lease::new(),
            peers: OnceLock::new(),
            sight: RwLock::new(sight),
            creating: Mutex::default(),
            next_op: AtomicU64::new(OWN),
            ending: Arc::new(()),
        }
    }

    /// To be held while a head ends because the lease has.
    pub fn ending(&self) -> Arc<()> {
        Arc::clone(&self.ending)
    }

    /// For how long clients of this node may count on what they read: under a new lease not before they can see which
    /// of their connections ended with the one before (V1).
    pub fn counted(&self) -> Duration {
        if Arc::strong_count(&self.ending) > 1 {
            return Duration::ZERO;
        }
        self.lease.left()
    }

    /// Begins links; `heads` hears of them.
    pub fn connect(&self, heads: Arc<dyn Heads>) {
        let OwnNode {
            identity,
            security,
            links,
            ..
        } = self.own.clone();
        let _ = self.peers.set(Peers::new(identity, security, links, heads));
    }

    fn peers(&self) -> Option<&Peers> {
        self.peers.get()
    }

    /// Keeps links with these nodes, and no others.
    pub fn know(&self, nodes: Vec<Node>) {
        let (left, nodes) = self.sight.write().know(nodes);
        let Some(peers) = self.peers() else { return };
        for node in left {
            peers.forget(node);
        }
        for node in nodes {
            let port = node.place.ports.links;
            let addresses = node.place.addresses.iter();
            let addresses = addresses.map(|&ip| SocketAddr::new(ip, port));
            peers.know(NodeId(node.id.0), addresses.collect());
        }
    }

    /// What is known of the others.
    pub fn sight(&self) -> RwLockReadGuard<'_, Sight> {
        self.sight.read()
    }

    /// The same, to add what was heard.
    pub fn sight_mut(&self) -> RwLockWriteGuard<'_, Sight> {
        self.sight.write()
    }

    /// The disks of nodes that are up and linked.
    pub fn disks(&self) -> Vec<AwayDisk> {
        let disks: Vec<_> = self.sight.read().disks().collect();
        let linked = disks.into_iter().filter(|it| self.reaches(it.disk));
        linked.collect()
    }

    /// Whether nodes are up that have no link yet, which might come in a moment.
    pub fn awaited(&self) -> bool {
        let links: Vec<_> = {
            let sight = self.sight.read();
            sight.up().map(|node| sight.link_of(node)).collect()
        };
        links
            .into_iter()
            .any(|node| node.is_none_or(|node| !self.is_linked(node)))
    }

    fn is_linked(&self, node: NodeId) -> bool {
        self.peers().is_some_and(|peers| peers.is_up(node))
    }

    /// Why there is no link with a node.
    pub fn unreachable(&self, node: &Node) -> Option<String> {
        let status = self.peers()?.status();
        let link = status.into_iter().find(|it| it.node.0 == node.id.0)?;
        let why = link.why.map(|why| why.to_string());
        (!link.up).then(|| why.unwrap_or_else(|| "it was not reached yet".to_owned()))
    }

    /// The node that has a disk, as links call it.
    pub fn node_of(&self, disk: DiskNumber) -> Option<NodeId> {
        let sight = self.sight.read();
        sight.link_of(sight.node_of(disk)?)
    }

    /// Whether a disk can be asked now.
    pub fn reaches(&self, disk: DiskNumber) -> bool {
        self.node_of(disk).is_some_and(|node| self.is_linked(node))
    }

    /// Puts a head's message in line, which [`Self::flush`] sends; `None` if it surely never leaves.
    pub fn send(&self, message: Message) -> Option<NodeId> {
        let (node, peers) = (self.node_of(message.disk)?, self.peers()?);
        match peers.send(node, message) {
            Ok(()) => Some(node),
            Err(error) => {
                tracing::debug!(%node, %error, "a message to a replica was not sent");
                None
            }
        }
    }

    pub fn flush(&self, node: NodeId) {
        if let Some(peers) = self.peers() {
            peers.flush(node);
        }
    }

    /// Whether a head should begin something new that needs these disks.
    pub fn have_room(&self, disks: impl Iterator<Item = DiskNumber>) -> bool {
        let Some(peers) = self.peers() else {
            return true;
        };
        let nodes: BTreeSet<_> = disks.filter_map(|disk| self.node_of(disk)).collect();
        nodes.into_iter().all(|node| peers.has_room(node))
    }

    /// Has files of extents made on a disk of another node, durably (V11).
    pub async fn create(
        &self,
        (volume, epoch): (VolumeId, Epoch),
        disk: DiskNumber,
        files: impl IntoIterator<Item = ExtentFile>,
        missing: bool,
    ) -> Result<(), PlaceFailure> {
        let files: Vec<_> = files.into_iter().collect();
        for files in files.chunks(MOST_LISTED) {
            let files = files.iter().copied().collect();
            let op = OpId(self.next_op.fetch_add(1, Ordering::Relaxed));
            let message = Message {
                volume,
                disk,
                incarnation: Incarnation::default(),
                epoch,
                op,
                ask: Ask::Create { files, missing },
            };
            match self.ask(message).await.map(|answer| answer.result) {
                Some(Ok(_)) => {}
                Some(Err(ReplicaError::NoSpace)) => return Err(PlaceFailure::NoSpace),
                Some(Err(ReplicaError::Exhausted)) => return Err(PlaceFailure::Exhausted),
                Some(Err(_)) | None => return Err(PlaceFailure::Failed),
            }
        }
        Ok(())
    }

    /// The answer to a message of the node's own; `None` if there will be none.
    async fn ask(&self, message: Message) -> Option<Answer> {
        let (tell, told) = oneshot::channel();
        let op = message.op;
        self.creating.lock().insert(op, tell);
        let Some(node) = self.send(message) else {
            self.creating.lock().remove(&op);
            return None;
        };
        self.flush(node);
        told.await.ok()
    }

    /// Takes the answer to a message of the node's own.
    pub(super) fn answered(&self, answer: Answer) -> Option<Answer> {
        if answer.op.0 & OWN == 0 {
            return Some(answer);
        }
        let asked = self.creating.lock().remove(&answer.op);
        if let Some(tell) = asked {
            let _ = tell.send(answer);
        }
        None
    }
}
