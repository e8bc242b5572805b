//! A node of a cluster whose daemon starts.

use std::sync::Arc;

use tokio::task::JoinSet;
use volumed_cluster::{Cluster, ClusterError, Keeper, MemberError, now, stay_valid};
use volumed_meta::Location;
use volumed_node::OwnNode;
use volumed_peer::{ClusterId, Identity, NodeId, Security, Settings as LinkSettings};

use super::links::LinkTls;
use super::own_store::{OwnStoreError, put_aside};
use crate::config::Settings;

/// This node, and its member of etcd if it has one, which runs.
#[derive(Debug)]
pub struct Entered {
    pub(super) cluster: Arc<Cluster>,
    pub(super) keeper: Keeper,
    /// What goes on all the time beside.
    pub(super) tasks: JoinSet<()>,
}

/// Why a node of a cluster cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// Its folder is no good.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The settings say another store.
    #[error(
        "this node is in a cluster, which has a metadata store of its own, and the settings name {0}: take `store` \
         and the store_tls settings out of them"
    )]
    OtherStore(Location),
    /// The store that it had before lies in the way.
    #[error(transparent)]
    OwnStore(#[from] OwnStoreError),
    /// etcd cannot be run.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// Links cannot be protected.
    #[error("cannot speak TLS with the certificate of this node: {0}")]
    Tls(#[from] rustls::Error),
}

impl Entered {
    /// If this node is in a cluster, begins to run its part of etcd.
    pub fn open(settings: &Settings) -> Result<Option<Self>, EnterError> {
        let Some(cluster) = Cluster::open(&settings.data)? else {
            return Ok(None);
        };
        if !settings.has_usual_store() {
            return Err(EnterError::OtherStore(settings.store.clone()));
        }
        // A crash right after the node entered the cluster left it.
        if let Some(file) = settings.store.file().filter(|file| file.exists()) {
            let kept = put_aside(file)?;
            tracing::info!(kept = %kept.display(), "the store that this node had before it was in a cluster is kept");
        }
        say_if_expired(&cluster);
        let cluster = Arc::new(cluster);
        let keeper = Keeper::new(cluster.clone(), &settings.data, None)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(stay_valid(cluster.clone()));
        Ok(Some(Self {
            cluster,
            keeper,
            tasks,
        }))
    }

    /// Where the store is.
    pub fn store(&self) -> Location {
        Location::Etcd(self.cluster.store_location())
    }

    /// This node as the volumes know it.
    pub fn own_node(&self) -> Result<OwnNode, EnterError> {
        let own = self.cluster.own();
        Ok(OwnNode {
            number: own.number,
            name: own.name.clone(),
            identity: Identity {
                cluster: ClusterId(own.cluster.0),
                node: NodeId(own.node.0),
            },
            security: Security::Tls(Arc::new(LinkTls::new(self.cluster.tls())?)),
            links: LinkSettings::default(),
        })
    }

    /// Stops etcd.
    pub async fn stop(self) {
        self.keeper.stop().await;
    }
}

/// A node that does not sign cannot help itself, and nobody answers one whose certificate expired.
fn say_if_expired(cluster: &Cluster) {
    if cluster.authority().is_none() && cluster.identity().certificate().expires <= now() {
        tracing::error!(
            "by this node's clock its certificate has expired: compare the clock with others' (timedatectl); if it is \
             right, stop volumed, and join the cluster again with a token of another node (volumed cluster join)"
        );
    }
}
