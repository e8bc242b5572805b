//! This node's s3d among those of the other nodes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3d_buckets::Buckets;
use s3d_front::Hosts;
use tokio::sync::watch;
use volumed_cluster::Cluster;
use volumed_meta::MetaStore;

use crate::connections::Connections;
use crate::counters::Counters;
use crate::lease::Lease;
use crate::nodes::Nodes;
use crate::owners::Owners;
use crate::presence::{Presence, announce};

/// How long requests that have a bucket may take until it is closed under them.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

/// What every request of a cluster needs.
#[derive(Clone)]
pub struct Rack(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub hosts: Hosts,
    pub buckets: Arc<Buckets>,
    pub cluster: Arc<Cluster>,
    pub nodes: Arc<Nodes>,
    pub owners: Owners,
    pub connections: Arc<Connections>,
    pub counters: Counters,
    pub lease: Lease,
    /// How long a request waits for a bucket that moves or is taken over.
    pub patience: Duration,
    /// The server stops.
    pub leaving: AtomicBool,
    /// An operator wants no buckets here.
    pub ordered: AtomicBool,
    /// The whole node is drained, which volumed was told.
    pub node_drained: AtomicBool,
    /// What this node says of itself; `None` once it serves no more.
    presence: watch::Sender<Option<Presence>>,
}

/// What a rack is made of.
pub struct Parts<'a> {
    /// Who this node is.
    pub cluster: Arc<Cluster>,
    /// The other nodes: the same that the buckets were started among.
    pub nodes: Arc<Nodes>,
    /// This node's buckets.
    pub buckets: Arc<Buckets>,
    /// What the hosts of requests end in.
    pub domain: &'a str,
    /// Where the other nodes forward requests to.
    pub forward: SocketAddr,
    /// How long a request waits for a bucket that moves or is taken over.
    pub patience: Duration,
    /// How long one waits for a node that lives and cannot be reached.
    pub out_of_reach: Duration,
}

/// The usual [`Parts::patience`]: longer than it takes until a node counts as gone, and its volumes are
/// fenced.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The usual [`Parts::out_of_reach`]: a node that is not gone by then lives, and keeps its buckets.
pub const OUT_OF_REACH: Duration = Duration::from_secs(6);

impl Rack {
    /// Of these parts.
    pub fn new(parts: Parts<'_>) -> Self {
        let Parts {
            cluster,
            nodes,
            buckets,
            domain,
            forward,
            patience,
            out_of_reach,
        } = parts;
        let own = cluster.own();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let presence = Presence {
            number: own.number,
            node: own.node,
            name: own.name.clone(),
            forward,
            started: since_1970.map_or(0, |since| since.as_secs()),
            buckets: 0,
            draining: false,
        };
        Self(Arc::new(Inner {
            hosts: Hosts::new(domain),
            owners: Owners::new(buckets.clone(), nodes.clone()),
            connections: Connections::new(cluster.tls(), out_of_reach),
            counters: Counters::default(),
            lease: Lease::new(),
            patience,
            leaving: AtomicBool::new(false),
            ordered: AtomicBool::new(false),
            node_drained: AtomicBool::new(false),
            presence: watch::Sender::new(Some(presence)),
            buckets,
            cluster,
            nodes,
        }))
    }

    /// What is counted.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Shows this node to the others, until it has left. Begin to listen first.
    pub async fn announce(&self, store: Arc<dyn MetaStore>) {
        announce(store, self.0.presence.subscribe()).await;
    }

    /// Takes no more buckets, or takes them again.
    pub(crate) fn set_draining(&self, draining: bool) {
        self.0.owners.set_draining(draining);
        self.change_presence(|presence| presence.draining = draining);
    }

    /// Whether it takes no buckets.
    pub fn is_draining(&self) -> bool {
        self.0.owners.is_draining()
    }

    /// Gives up what is open here, if this node is to have nothing and another one takes it. A request that
    /// was let in before may have opened a bucket since.
    pub(crate) async fn give_up(&self) {
        while self.is_draining()
            && self.0.buckets.open_count() > 0
            && !self.0.nodes.loads().is_empty()
        {
            self.0.buckets.give_up_all(LEAVE_PATIENCE).await;
        }
    }

    /// The other nodes count this one as gone from now on: nothing is open here any more.
    pub fn leave(&self) {
        self.0.presence.send_replace(None);
    }

    /// Says how many buckets are open here, unless that is nearly what was said last.
    pub(crate) fn say_load(&self) {
        let now = self.0.buckets.open_count();
        let said = self.0.presence.borrow().as_ref().map(|it| it.buckets);
        if said.is_some_and(|said| said.abs_diff(now) * 8 > said) {
            self.change_presence(|presence| presence.buckets = now);
        }
    }

    fn change_presence(&self, change: impl FnOnce(&mut Presence)) {
        self.0.presence.send_if_modified(|presence| {
            let Some(presence) = presence else {
                return false;
            };
            let before = presence.clone();
            change(presence);
            *presence != before
        });
    }
}
