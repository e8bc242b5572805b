//! `volumed cluster init`: makes a cluster of a node, with what it has.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use volumed_cluster::{
    AdmitError, Cluster, ClusterError, FolderError, Keeper, MemberError, Node, NodeName, Own,
    Place, PlaceError, Registry as _, StoreRegistry, open_store,
};
use volumed_meta::{EtcdLocation, Location, OpenError};
use volumed_node::{ImportStoreError, import_store};

use super::own_store::{OwnStoreError, own_store, put_aside};
use crate::config::Settings;

/// etcd answers long before, also on a slow disk.
const PATIENCE: Duration = Duration::from_mins(2);

/// A cluster of this node.
#[derive(Debug)]
pub struct Founded {
    /// The node.
    pub own: Own,
    /// Where the store is kept that it had before, if it had one.
    pub kept: Option<PathBuf>,
}

/// Why there is no cluster; the node is what it was.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// Its place is none.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Somebody listens there, or the address is not this machine's.
    #[error("cannot listen on {address}, as --address and {flag} say: {source}")]
    Address {
        /// Where.
        address: SocketAddr,
        /// What says the port.
        flag: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// It is in one.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Its folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its store cannot be moved.
    #[error(transparent)]
    OwnStore(#[from] OwnStoreError),
    /// etcd cannot be run.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// etcd ran, and did not answer.
    #[error("etcd did not answer within {} s; its log is above", PATIENCE.as_secs())]
    Silent,
    /// etcd's store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store was not brought there.
    #[error(transparent)]
    Import(#[from] ImportStoreError),
    /// The node was not recorded.
    #[error(transparent)]
    Admit(#[from] AdmitError),
}

/// Makes a cluster of this node. The caller holds the lock of its folder.
///
/// Up to the moment at which the node enters the cluster, which is one file's, its own store is the truth, and
/// another attempt begins with an empty etcd. So a crash at any moment is made good by another attempt.
pub async fn found(
    settings: &Settings,
    name: NodeName,
    place: Place,
) -> Result<Founded, FoundingError> {
    if let Some(own) = founded(settings, &name, &place)? {
        return Ok(own);
    }
    let file = own_store(settings)?;
    check_addresses(&place)?;
    let (cluster, node) = Cluster::prepare(&settings.data, name, place)?;
    let cluster = Arc::new(cluster);
    let keeper = Keeper::found(cluster.clone(), &settings.data, None)?;
    let entered = match fill(&cluster, &node, file).await {
        Ok(()) => cluster.enter().map_err(FoundingError::from),
        Err(error) => Err(error),
    };
    keeper.stop().await;
    entered?;
    Ok(Founded {
        own: cluster.own().clone(),
        kept: file.map(put_aside).transpose()?,
    })
}

/// What an attempt before came to, if the node entered the cluster and no more than the end was left to do.
fn founded(
    settings: &Settings,
    name: &NodeName,
    place: &Place,
) -> Result<Option<Founded>, FoundingError> {
    let Some(cluster) = Cluster::open(&settings.data)? else {
        return Ok(None);
    };
    let own = cluster.own().clone();
    if (&own.name, &own.place) != (name, place) {
        let path = settings.data.join("cluster");
        return Err(ClusterError::Already(own.cluster, path).into());
    }
    let file = own_store(settings)?;
    let kept = file.map(put_aside).transpose()?;
    Ok(Some(Founded { own, kept }))
}

/// Brings what the node has into the etcd, and records the node.
async fn fill(cluster: &Cluster, node: &Node, file: Option<&Path>) -> Result<(), FoundingError> {
    let etcd: EtcdLocation = cluster.store_location();
    let location = Location::Etcd(etcd.clone());
    let store = timeout(PATIENCE, open_store(&location)).await;
    let store = store.map_err(|_| FoundingError::Silent)??;
    if let Some(file) = file {
        import_store(file, etcd).await?;
    }
    Ok(StoreRegistry::new(store).found(node).await?)
}

/// Whether this node can be where it is to be.
pub fn check_addresses(place: &Place) -> Result<(), FoundingError> {
    let needed = [
        (place.cluster(), "--port-cluster"),
        (place.links(), "--port-links"),
        (place.etcd_client(), "--port-etcd-client"),
        (place.etcd_peer(), "--port-etcd-peer"),
    ];
    let listening = needed.map(|(address, flag)| {
        TcpListener::bind(address).map_err(|source| FoundingError::Address {
            address,
            flag,
            source,
        })
    });
    // All at once: no two of the ports are the same.
    listening
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map(drop)
}
