//! The other nodes' s3ds, as the store has them.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::RwLock;
use s3d_buckets::Neighbours;
use s3d_records::Records;
use tokio::sync::watch;
use volumed_cluster::NodeNumber;
use volumed_meta::MetaStore;

use crate::placement::Load;
use crate::presence::{PREFIX, Presence, key};

/// How long to wait before a watch that ended is begun anew.
const PAUSE: Duration = Duration::from_millis(200);

/// The other nodes' s3ds. While the store cannot be reached, they are as they were last.
#[derive(Debug)]
pub struct Nodes {
    own: NodeNumber,
    others: RwLock<BTreeMap<NodeNumber, Other>>,
    /// How often one went.
    gone: watch::Sender<u64>,
}

#[derive(Debug)]
struct Other {
    presence: Arc<Presence>,
    /// Buckets that it was given from here since it said how many it has open.
    given: usize,
}

impl Nodes {
    /// Those of the cluster that this node is in, once they were read; they are followed until this is
    /// dropped.
    pub async fn following(
        own: NodeNumber,
        store: Arc<dyn MetaStore>,
    ) -> Result<Arc<Self>, s3d_records::RecordError> {
        let nodes = Arc::new(Self {
            own,
            others: RwLock::default(),
            gone: watch::Sender::new(0),
        });
        nodes.read_all(&Records::new(store.clone())).await?;
        tokio::spawn(follow(store, Arc::downgrade(&nodes)));
        Ok(nodes)
    }

    /// Another node's s3d, if it lives.
    pub fn get(&self, node: NodeNumber) -> Option<Arc<Presence>> {
        let others = self.others.read();
        others.get(&node).map(|other| other.presence.clone())
    }

    /// Until a node is gone. One that lost its power closes no connection, so that an answer would be waited
    /// for in vain.
    pub async fn until_gone(&self, node: NodeNumber) {
        let mut gone = self.gone.subscribe();
        // The sender lives as long as this.
        while self.get(node).is_some() && gone.changed().await.is_ok() {}
    }

    /// All that live but this one's.
    pub fn all(&self) -> Vec<Arc<Presence>> {
        let others = self.others.read();
        others
            .values()
            .map(|other| other.presence.clone())
            .collect()
    }

    /// How much each has to do that takes buckets.
    pub fn loads(&self) -> Vec<(NodeNumber, Load)> {
        let others = self.others.read();
        let takes = others.iter().filter(|(_, it)| !it.presence.draining);
        takes
            .map(|(number, it)| (*number, Load(it.presence.buckets + it.given)))
            .collect()
    }

    /// A node was given one more bucket, which it has not said yet.
    pub fn give(&self, node: NodeNumber) {
        if let Some(other) = self.others.write().get_mut(&node) {
            other.given += 1;
        }
    }

    fn set(&self, presence: Presence) {
        if presence.number == self.own {
            return;
        }
        let number = presence.number;
        let other = Other {
            presence: Arc::new(presence),
            given: 0,
        };
        let before = self.others.write().insert(number, other);
        if before.is_none() {
            tracing::info!(node = %number, "another node's s3d is there");
        }
    }

    fn remove(&self, node: NodeNumber) {
        if self.others.write().remove(&node).is_some() {
            self.gone.send_modify(|count| *count += 1);
            tracing::info!(%node, "another node's s3d is gone");
        }
    }

    async fn read_all(&self, records: &Records) -> Result<(), s3d_records::RecordError> {
        let there = records.list::<Presence>(PREFIX).await?;
        let gone = |node: &NodeNumber| there.iter().all(|(_, it)| it.record.number != *node);
        let gone: Vec<_> = self.others.read().keys().copied().filter(gone).collect();
        for node in gone {
            self.remove(node);
        }
        for (_, presence) in there {
            self.set(presence.record);
        }
        Ok(())
    }
}

impl Neighbours for Nodes {
    fn own(&self) -> Option<NodeNumber> {
        Some(self.own)
    }

    fn serves(&self, node: NodeNumber) -> bool {
        self.others.read().contains_key(&node)
    }
}

async fn follow(store: Arc<dyn MetaStore>, nodes: Weak<Nodes>) {
    let records = Records::new(store.clone());
    while nodes.strong_count() > 0 {
        if let Err(error) = follow_once(&*store, &records, &nodes).await {
            tracing::warn!(%error, "cannot follow which nodes are there");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Until the watch ends or nobody asks any more.
async fn follow_once(
    store: &dyn MetaStore,
    records: &Records,
    nodes: &Weak<Nodes>,
) -> Result<(), s3d_records::RecordError> {
    let revision = store.revision().await?;
    let mut events = store.watch(PREFIX.as_bytes(), revision).await?;
    match nodes.upgrade() {
        Some(nodes) => nodes.read_all(records).await?,
        None => return Ok(()),
    }
    while let Some(event) = events.recv().await {
        let Some(nodes) = nodes.upgrade() else {
            return Ok(());
        };
        let name = String::from_utf8_lossy(&event.key[PREFIX.len()..]).into_owned();
        let Some(node) = name.parse().ok().map(NodeNumber) else {
            continue;
        };
        // What the store has now, not what the event brings: a later event may be read already.
        match records.get::<Presence>(&key(node)).await? {
            Some(stored) => nodes.set(stored.record),
            None => nodes.remove(node),
        }
    }
    Ok(())
}
