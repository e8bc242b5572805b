//! Whether this node shall have no buckets: an operator's order, for buckets or for the whole node, which outlives
//! restarts, or since the server stops.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use s3d_records::{RecordError, Records, delete, put};
use volumed_cluster::NodeNumber;
use volumed_meta::{MetaStore, StoreError};

use crate::presence::{self, Presence};
use crate::rack::Rack;

/// `s3d/draining/<number>`: the order.
fn key(node: NodeNumber) -> String {
    format!("s3d/draining/{node}")
}

/// Orders that a node's s3d gives its buckets to the others and takes none, or takes some again. It is
/// obeyed within seconds, and at each start.
pub async fn order_drain(
    store: Arc<dyn MetaStore>,
    node: NodeNumber,
    drain: bool,
) -> Result<(), RecordError> {
    let change = if drain {
        put(key(node), &())
    } else {
        delete(key(node))
    };
    Records::new(store).commit(vec![], vec![change]).await?;
    Ok(())
}

/// What a node's s3d says of itself; `None` while it does not run.
pub async fn presence_of(
    store: Arc<dyn MetaStore>,
    node: NodeNumber,
) -> Result<Option<Presence>, RecordError> {
    let stored = Records::new(store).get(&presence::key(node)).await?;
    Ok(stored.map(|stored| stored.record))
}

impl Rack {
    /// Does as the operator ordered.
    pub(crate) async fn obey(&self, store: &dyn MetaStore) -> Result<(), StoreError> {
        let own = self.0.cluster.own().number;
        let ordered = store.get(key(own).as_bytes()).await?.is_some();
        if self.0.ordered.swap(ordered, Ordering::Relaxed) != ordered {
            tracing::info!(drain = ordered, "the operator gave an order");
        }
        self.set_draining(self.wants_none());
        Ok(())
    }

    /// Gives all buckets to the other nodes: those that are open here are closed, and whoever is asked for
    /// one next opens it. Requests that come here meanwhile are sent on. It takes none until
    /// [`take_again`](Self::take_again).
    pub async fn drain(&self) {
        self.0.leaving.store(true, Ordering::Relaxed);
        self.set_draining(true);
        self.give_up().await;
    }

    /// Takes buckets again, unless an operator ordered otherwise.
    pub fn take_again(&self) {
        self.0.leaving.store(false, Ordering::Relaxed);
        self.set_draining(self.wants_none());
    }

    fn wants_none(&self) -> bool {
        let why = [&self.0.ordered, &self.0.node_drained, &self.0.leaving];
        why.into_iter().any(|it| it.load(Ordering::Relaxed))
    }
}
