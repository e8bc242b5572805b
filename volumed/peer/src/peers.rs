use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::watch;
use volumed_core::message::{Answer, Message};

use crate::dial::Dialer;
use crate::link::{Link, Shown};
use crate::{Identity, LinkError, NodeId, Security, SendError, Sent, Settings};

/// Whoever has heads on this node. Called from the tasks of links: none of these may wait, nor hold
/// a lock while it calls [`Peers::flush`].
pub trait Heads: Send + Sync + 'static {
    /// The answer to a message that was sent to the node: one for each, or none and [`Self::lost`].
    fn answer(&self, node: NodeId, answer: Answer);
    /// There is a link with the node, and nothing was sent on it yet.
    fn reached(&self, node: NodeId);
    /// The link with the node ended. These messages have no answer and will get none; each may have
    /// been done, may be under way in the replica now, or may never be done. What is sent after this
    /// returned goes out on another link, and may reach a replica that still works on these: it
    /// has to promise anew first, which waits for them (V1).
    fn lost(&self, node: NodeId, unanswered: Vec<Sent>);
    /// Something new may be begun again, after [`Peers::has_room`] said no, or a message was refused
    /// as [`SendError::Full`].
    fn room(&self, node: NodeId);
}

/// Links from the heads of this node to the replicas of others.
pub struct Peers {
    own: Identity,
    security: Security,
    settings: Settings,
    heads: Arc<dyn Heads>,
    runtime: Handle,
    links: RwLock<BTreeMap<NodeId, Known>>,
}

/// A node that a link is kept up with, until this is dropped.
struct Known {
    link: Arc<Link>,
    addresses: watch::Sender<Vec<SocketAddr>>,
}

/// A link as it is now.
#[derive(Debug, Clone)]
pub struct LinkStatus {
    /// With whom.
    pub node: NodeId,
    /// It stands.
    pub up: bool,
    /// Messages that were sent and not answered.
    pub unanswered: usize,
    /// What these and their answers hold, in bytes.
    pub under_way: u64,
    /// Why it does not stand.
    pub why: Option<Arc<LinkError>>,
}

impl Peers {
    /// No links yet. To be called within the runtime that is to run them.
    pub fn new(
        own: Identity,
        security: Security,
        settings: Settings,
        heads: Arc<dyn Heads>,
    ) -> Self {
        Self {
            own,
            security,
            settings,
            heads,
            runtime: Handle::current(),
            links: RwLock::default(),
        }
    }

    /// Keeps up a link with a node, which is at one of these addresses. A link that stands goes on.
    pub fn know(&self, node: NodeId, addresses: Vec<SocketAddr>) {
        let mut links = self.links.write();
        if let Some(known) = links.get(&node) {
            let differ = |old: &mut Vec<SocketAddr>| {
                let differ = *old != addresses;
                *old = addresses;
                differ
            };
            known.addresses.send_if_modified(differ);
            return;
        }
        let link = Arc::new(Link::new(self.settings.limits));
        let (sender, addresses) = watch::channel(addresses);
        let dialer = Dialer {
            own: self.own,
            node,
            security: self.security.clone(),
            settings: self.settings,
            heads: Arc::clone(&self.heads),
            link: Arc::clone(&link),
            addresses,
        };
        self.runtime.spawn(dialer.run());
        let addresses = sender;
        links.insert(node, Known { link, addresses });
    }

    /// Ends the link with a node for good.
    pub fn forget(&self, node: NodeId) {
        self.links.write().remove(&node);
    }

    /// Puts a message in line for a node, and never waits: messages leave in the order of these calls,
    /// with the next [flush](Self::flush) at the latest. The payload is not copied, and is held until it is
    /// answered or [lost](Heads::lost); after an error it was not taken, and none of both follows.
    pub fn send(&self, node: NodeId, message: Message) -> Result<(), SendError> {
        let links = self.links.read();
        let known = links.get(&node).ok_or(SendError::Unreachable)?;
        known.link.send(message)
    }

    /// Writes what is in line for a node, as far as its socket takes it at once. To be called after
    /// [sending](Self::send), with no lock held: it may encrypt a megabyte.
    pub fn flush(&self, node: NodeId) {
        if let Some(link) = self.link(node) {
            link.flush();
        }
    }

    /// Whether a head should begin something new that needs the node: a request of a client, a part of a copy.
    /// What it began already it may [send](Self::send) all the same. A node without a link has room.
    pub fn has_room(&self, node: NodeId) -> bool {
        self.link(node).is_none_or(|link| link.has_room())
    }

    /// Whether there is a link with a node.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.link(node).is_some_and(|link| link.is_up())
    }

    /// Ends the link with a node that is too slow, and lets go of what it holds; a new one follows.
    pub fn cut(&self, node: NodeId) {
        if let Some(link) = self.link(node) {
            link.cut();
        }
    }

    /// Every link.
    pub fn status(&self) -> Vec<LinkStatus> {
        let links = self.links.read();
        let status = |(&node, known): (&NodeId, &Known)| {
            let Shown {
                up,
                unanswered,
                under_way,
                why,
            } = known.link.shown();
            LinkStatus {
                node,
                up,
                unanswered,
                under_way,
                why,
            }
        };
        links.iter().map(status).collect()
    }

    fn link(&self, node: NodeId) -> Option<Arc<Link>> {
        let links = self.links.read();
        links.get(&node).map(|known| Arc::clone(&known.link))
    }
}
