//! What this node knows of the others: which are up, which disks they have, and the links with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;
use volumed_cluster::{Node, NodeNumber};
use volumed_core::head::PlaceFailure;
use volumed_core::message::{Answer, Ask, ExtentFile, MOST_LISTED, Message, OpId, ReplicaError};
use volumed_core::{ByteCount, DiskId, DiskNumber, Epoch, Incarnation, VolumeId};
use volumed_peer::{Heads, NodeId, Peers};

use super::OwnNode;
use super::lease::Lease;
use super::presence::{Presence, PresentDisk};

/// Operations with this bit are the node's own, and no head's.
const OWN: u64 = 1 << 63;

/// The other nodes.
pub(crate) struct Others {
    pub own: OwnNode,
    pub lease: Lease,
    peers: OnceLock<Peers>,
    known: RwLock<BTreeMap<u16, Node>>,
    present: RwLock<BTreeMap<u16, Presence>>,
    /// Since when the others are seen to be away.
    away_since: Mutex<BTreeMap<u16, Instant>>,
    /// Where a disk is, or was last.
    disks: RwLock<BTreeMap<DiskNumber, Away>>,
    /// Files that are being made, by the operation that asked for them.
    creating: Mutex<HashMap<OpId, oneshot::Sender<Answer>>>,
    next_op: AtomicU64,
}

/// Where a disk of another node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Away {
    id: Option<DiskId>,
    number: u16,
    node: Option<NodeId>,
}

/// A disk on another node that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AwayDisk {
    pub disk: DiskNumber,
    pub node: NodeNumber,
    pub free: ByteCount,
}

impl Others {
    pub fn new(own: OwnNode) -> Self {
        Self {
            own,
            lease: Lease::new(),
            peers: OnceLock::new(),
            known: RwLock::default(),
            present: RwLock::default(),
            away_since: Mutex::default(),
            disks: RwLock::default(),
            creating: Mutex::default(),
            next_op: AtomicU64::new(OWN),
        }
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
        let own = self.own.number;
        let nodes = nodes.into_iter().filter(|node| node.number != own);
        let nodes: BTreeMap<_, _> = nodes.map(|node| (node.number.0, node)).collect();
        let before = std::mem::replace(&mut *self.known.write(), nodes.clone());
        let Some(peers) = self.peers() else { return };
        for (number, node) in &before {
            if nodes.get(number).is_none_or(|now| now.id != node.id) {
                peers.forget(NodeId(node.id.0));
            }
        }
        for node in nodes.values() {
            let port = node.place.ports.links;
            let addresses = node.place.addresses.iter();
            let addresses = addresses.map(|&ip| SocketAddr::new(ip, port));
            peers.know(NodeId(node.id.0), addresses.collect());
        }
        self.find_disks();
    }

    /// The nodes that the cluster has beside this one.
    pub fn known(&self) -> BTreeMap<u16, Node> {
        self.known.read().clone()
    }

    /// What a node says of itself, if it is up.
    pub fn presence(&self, node: u16) -> Option<Presence> {
        self.present.read().get(&node).cloned()
    }

    /// A node is up, and says this of itself, or it is not.
    pub fn saw(&self, node: u16, presence: Option<Presence>) {
        if node == self.own.number.0 {
            return;
        }
        {
            let mut present = self.present.write();
            match presence {
                Some(presence) => present.insert(node, presence),
                None => present.remove(&node),
            };
        }
        self.find_disks();
    }

    /// The same of all nodes.
    pub fn saw_all(&self, all: Vec<(u16, Presence)>) {
        let own = self.own.number.0;
        let others = all.into_iter().filter(|(node, _)| *node != own);
        *self.present.write() = others.collect();
        self.find_disks();
    }

    /// A disk whose node is not up stays known: what it holds is there, and nowhere else.
    fn find_disks(&self) {
        let known = self.known.read();
        let present = self.present.read();
        let mut disks = self.disks.write();
        for (&number, presence) in &*present {
            let node = known.get(&number).map(|node| NodeId(node.id.0));
            for disk in &presence.disks {
                let id = disk.id();
                disks.insert(disk.number(), Away { id, number, node });
            }
        }
        let mut since = self.away_since.lock();
        since.retain(|node, _| !present.contains_key(node));
        for away in disks.values_mut() {
            if !present.contains_key(&away.number) {
                since.entry(away.number).or_insert_with(Instant::now);
            }
            away.node = known.get(&away.number).map(|node| NodeId(node.id.0));
        }
    }

    /// How many nodes the cluster has, this one among them.
    pub fn count(&self) -> usize {
        self.known.read().len() + 1
    }

    /// Whether a node of a lower number is up.
    pub fn is_lowest_of(&self, mut nodes: impl Iterator<Item = u16>) -> bool {
        let present = self.present.read();
        let own = self.own.number.0;
        nodes.all(|node| node >= own || !present.contains_key(&node))
    }

    /// The number of the node that has a disk, or had it last.
    pub fn number_of(&self, disk: DiskNumber) -> Option<u16> {
        self.disks.read().get(&disk).map(|away| away.number)
    }

    /// Disks on other nodes that are to be emptied.
    pub fn draining(&self) -> BTreeSet<DiskNumber> {
        let present = self.present.read();
        let disks = present.values().flat_map(|presence| &presence.disks);
        let draining = disks.filter(|disk| disk.draining);
        draining.map(PresentDisk::number).collect()
    }

    /// Disks of nodes that have been away for so long, or are in the cluster no more.
    pub fn long_away(&self, grace: Duration) -> BTreeSet<DiskNumber> {
        let since = self.away_since.lock();
        let disks = self.disks.read();
        let long = |away: &Away| {
            let since = since.get(&away.number);
            since.is_some_and(|since| since.elapsed() >= grace)
        };
        let away = disks.iter().filter(|(_, away)| long(away));
        away.map(|(disk, _)| *disk).collect()
    }

    /// What a disk is called, if its node was seen.
    pub fn id_of(&self, disk: DiskNumber) -> Option<DiskId> {
        self.disks.read().get(&disk)?.id
    }

    /// The disks of nodes that are up and linked.
    pub fn disks(&self) -> Vec<AwayDisk> {
        let present = self.present.read();
        let up = present.iter().filter(|(node, _)| self.is_linked(**node));
        let of_node = |(&node, presence): (&u16, &Presence)| {
            let disks = presence.disks.iter();
            let away = move |disk: &PresentDisk| AwayDisk {
                disk: disk.number(),
                node: NodeNumber(node),
                free: disk.free(),
            };
            disks.map(away).collect::<Vec<_>>()
        };
        up.flat_map(of_node).collect()
    }

    /// Every disk of the others that is known, and its node, whether it is up or not.
    pub fn all_disks(&self) -> BTreeMap<DiskNumber, NodeNumber> {
        let disks = self.disks.read();
        let all = disks.iter().filter(|(_, away)| away.node.is_some());
        all.map(|(disk, away)| (*disk, NodeNumber(away.number)))
            .collect()
    }

    /// Nodes that are up but have no link yet, which might come in a moment.
    pub fn awaited(&self) -> bool {
        let present = self.present.read();
        present.keys().any(|node| !self.is_linked(*node))
    }

    /// Whether there is a link with a node.
    pub fn is_linked(&self, node: u16) -> bool {
        let known = self.known.read();
        let id = known.get(&node).map(|node| NodeId(node.id.0));
        let peers = self.peers();
        id.is_some_and(|id| peers.is_some_and(|peers| peers.is_up(id)))
    }

    /// Why there is no link with a node.
    pub fn unreachable(&self, node: &Node) -> Option<String> {
        let status = self.peers()?.status();
        let link = status.into_iter().find(|it| it.node.0 == node.id.0)?;
        let why = link.why.map(|why| why.to_string());
        (!link.up).then(|| why.unwrap_or_else(|| "it was not reached yet".to_owned()))
    }

    /// The node that has a disk.
    pub fn node_of(&self, disk: DiskNumber) -> Option<NodeId> {
        self.disks.read().get(&disk)?.node
    }

    /// Whether a disk can be asked now.
    pub fn reaches(&self, disk: DiskNumber) -> bool {
        let node = self.node_of(disk);
        node.is_some_and(|node| self.peers().is_some_and(|peers| peers.is_up(node)))
    }

    /// Every disk that a node has, or had when it was seen last.
    pub fn disks_of(&self, node: NodeId) -> Vec<DiskNumber> {
        let disks = self.disks.read();
        let of_node = disks.iter().filter(|(_, away)| away.node == Some(node));
        of_node.map(|(disk, _)| *disk).collect()
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
