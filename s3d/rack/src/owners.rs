//! Which node handles the requests for a bucket.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use s3d_buckets::{BucketRecord, Buckets, Neighbours as _, OpenBucketError, Server};
use volumed_cluster::NodeNumber;

use crate::nodes::Nodes;
use crate::placement::{Load, better};

/// Buckets of other nodes that are remembered.
const REMEMBERED: usize = 10_000;

/// Where a request is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Here.
    Here,
    /// There.
    Elsewhere(NodeNumber),
}

/// Knows for each bucket which node handles its requests.
pub struct Owners {
    buckets: Arc<Buckets>,
    nodes: Arc<Nodes>,
    draining: AtomicBool,
    /// By the ids of buckets: who served them last.
    remembered: RwLock<HashMap<u128, NodeNumber>>,
}

impl Owners {
    /// For these buckets, among these nodes.
    pub fn new(buckets: Arc<Buckets>, nodes: Arc<Nodes>) -> Self {
        Self {
            buckets,
            nodes,
            draining: AtomicBool::new(false),
            remembered: RwLock::default(),
        }
    }

    /// From now on, this node takes no buckets; or takes them again.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Whether this node takes no buckets.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Who handles a request for a bucket.
    pub async fn owner(&self, bucket: &BucketRecord) -> Owner {
        if self.buckets.is_open(bucket) {
            return Owner::Here;
        }
        let remembered = self.remembered.read().get(&bucket.id.0).copied();
        if let Some(node) = remembered.filter(|node| self.nodes.serves(*node)) {
            return Owner::Elsewhere(node);
        }
        let owner = self.look(bucket).await;
        if let Owner::Elsewhere(node) = owner {
            self.remember(bucket, node);
        }
        owner
    }

    /// Whether a request that another node sent here for a bucket is handled here.
    pub async fn keeps(&self, bucket: &BucketRecord) -> bool {
        if self.buckets.is_open(bucket) {
            return true;
        }
        match self.buckets.server(bucket).await {
            Ok(Server::Nobody) => !self.is_draining(),
            Ok(Server::Elsewhere(_)) | Err(OpenBucketError::Unavailable(_)) => false,
            // The same sentence comes from every node.
            Ok(Server::Here) | Err(_) => true,
        }
    }

    /// What was remembered of a bucket was wrong.
    pub fn forget(&self, bucket: &BucketRecord) {
        self.remembered.write().remove(&bucket.id.0);
    }

    fn remember(&self, bucket: &BucketRecord, node: NodeNumber) {
        let mut remembered = self.remembered.write();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(bucket.id.0, node);
    }

    async fn look(&self, bucket: &BucketRecord) -> Owner {
        match self.buckets.server(bucket).await {
            Ok(Server::Elsewhere(node)) => Owner::Elsewhere(node),
            Ok(Server::Nobody) => self.place(),
            // This node's volume daemon is away: another node's may have what this one's had.
            Err(OpenBucketError::Unavailable(_)) => self.least(None),
            // Another sentence would not come from elsewhere.
            Ok(Server::Here) | Err(_) => Owner::Here,
        }
    }

    /// Who opens a bucket that nobody has open.
    fn place(&self) -> Owner {
        self.least((!self.is_draining()).then(|| Load(self.buckets.open_count())))
    }

    fn least(&self, own: Option<Load>) -> Owner {
        match better(own, &self.nodes.loads()) {
            None => Owner::Here,
            Some(node) => {
                self.nodes.give(node);
                Owner::Elsewhere(node)
            }
        }
    }
}
