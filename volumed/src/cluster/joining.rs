//! `volumed cluster join`: makes this node one of a cluster.

use std::path::{Path, PathBuf};

use volumed_cluster::{
    Cluster, ClusterError, JoinError, JoinToken, MemberError, NodeName, Own, Place, forget_member,
};
use volumed_meta::{OpenError, StoreError};

use super::founding::{FoundingError, check_addresses};
use super::own_store::{OwnStoreError, own_store, put_aside};
use crate::config::Settings;

/// Why the node is not in the cluster.
#[derive(Debug, thiserror::Error)]
pub enum JoiningError {
    /// It cannot be there.
    #[error(transparent)]
    Place(#[from] FoundingError),
    /// Its own store is in the way.
    #[error(transparent)]
    OwnStore(#[from] OwnStoreError),
    /// Its own store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its own store cannot be read.
    #[error("cannot look whether this node has volumes of its own: {0}")]
    Store(#[from] StoreError),
    /// It would lose them.
    #[error(
        "the metadata store {} has {what} of this node alone, and a node that joins a cluster has nothing of its \
         own: copy elsewhere what is in its volumes, then give it another --data and empty disks", .file.display()
    )]
    HasOwn {
        /// Its store.
        file: PathBuf,
        /// What it has.
        what: &'static str,
    },
    /// What was left of an etcd cannot be removed.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// The cluster did not let it in.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its folder cannot be used.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Joins the cluster that the token is of. The caller holds the lock of this node's folder.
pub async fn join(
    settings: &Settings,
    token: &JoinToken,
    name: NodeName,
    place: Place,
) -> Result<Own, JoiningError> {
    let file = own_store(settings)?;
    let in_cluster = Cluster::open(&settings.data)?.is_some();
    if !in_cluster {
        if let Some(file) = file {
            refuse_own(file).await?;
        }
        // It was to be another cluster's.
        forget_member(&settings.data)?;
    }
    check_addresses(&place)?;
    let cluster = volumed_cluster::join(&settings.data, token, name, place).await?;
    if let Some(file) = file {
        put_aside(file)?;
    }
    Ok(cluster.own().clone())
}

/// What a node may not have of its own: keys with these beginnings. A disk that served names its store, and no
/// daemon takes it with another one.
const OWN: [(&str, &str); 2] = [("volumes/", "volumes"), ("disks/", "disks")];

async fn refuse_own(file: &Path) -> Result<(), JoiningError> {
    let store = volumed_meta::open(file).await?;
    for (prefix, what) in OWN {
        let (_, found) = store.range(prefix.as_bytes(), None, 1).await?;
        if !found.is_empty() {
            let file = file.to_owned();
            return Err(JoiningError::HasOwn { file, what });
        }
    }
    Ok(())
}
