//! What a node of a cluster looks after: what it says of itself, and what this node's volumed writes into
//! the cluster's folder, such as a certificate that was renewed and nodes that were removed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use volumed_cluster::{Cluster, Node, Registry as _, StoreRegistry};
use volumed_meta::MetaStore;

use crate::rack::Rack;

/// How often the load is said.
const EVERY: Duration = Duration::from_secs(1);

/// Turns between two looks at the folder and the nodes.
const LOOK: u32 = 5;

impl Rack {
    /// Looks after this node for ever. `data`: volumed's state folder.
    pub async fn look_after(&self, data: &Path, store: Arc<dyn MetaStore>) {
        let registry = StoreRegistry::new(store.clone());
        let mut turn = interval(EVERY);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for count in 0u32.. {
            turn.tick().await;
            self.say_load();
            if let Err(error) = self.obey(&*store).await {
                tracing::warn!(%error, "cannot read whether this node shall have buckets");
            }
            self.give_up().await;
            if count % LOOK == 0 {
                self.read_folder(data);
                match registry.nodes().await {
                    Ok(nodes) => self.know_nodes(&nodes),
                    Err(error) => tracing::warn!(%error, "the nodes cannot be counted"),
                }
            }
        }
    }

    /// A node that is drained is to have no buckets, either.
    fn know_nodes(&self, nodes: &[Node]) {
        let own = self.0.cluster.own().node;
        let own = nodes.iter().find(|node| node.id == own);
        let drained = own.is_some_and(|node| node.drain.is_some());
        self.0.node_drained.store(drained, Ordering::Relaxed);
    }

    fn read_folder(&self, data: &Path) {
        let read = match Cluster::open(data) {
            Ok(Some(read)) if read.own().node == self.0.cluster.own().node => read,
            Ok(_) => return tracing::warn!("this node is in another cluster by now: restart s3d"),
            Err(error) => return tracing::warn!(%error, "the cluster's folder cannot be read"),
        };
        self.take_over(&read);
    }

    fn take_over(&self, read: &Cluster) {
        let (identity, newer) = (self.0.cluster.identity(), read.identity());
        let removed = newer.trust.removed().borrow().clone();
        self.0.connections.drop_those_to(&removed);
        identity.trust.replace_removed(removed);
        let authorities = newer.trust.authorities();
        if authorities != identity.trust.authorities()
            && let Err(error) = identity.trust.replace_authorities(authorities)
        {
            tracing::warn!(%error, "the cluster's authorities cannot be used");
        }
        if newer.certificate() != identity.certificate()
            && let Err(error) = identity.replace_certificate(newer.certificate_der())
        {
            tracing::warn!(%error, "this node's new certificate cannot be used");
        }
    }
}
