//! `volumed cluster join`: makes this node one of a cluster.

use std::path::{Path, PathBuf};

use volumed_cluster::{
    Cluster, ClusterError, JoinError, JoinToken, MemberError, NodeName, Own, Place, find_etcd,
    forget_member,
};
use volumed_disk::DiskError;
use volumed_meta::{OpenError, StoreError};

use super::founding::{FoundingError, check_addresses};
use super::own_store::{OwnStoreError, own_store, put_aside};
use crate::config::Settings;

/// Entries that are read at once.
const PAGE: usize = 500;

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
    /// A disk holds what another store knows.
    #[error(
        "the disk {} holds volumes of another metadata store: a node that joins a cluster has empty disks", .0.display()
    )]
    UsedDisk(PathBuf),
    /// A disk cannot be read.
    #[error("cannot use the disk {}: {source}", .path.display())]
    Disk {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: DiskError,
    },
    /// There is no etcd, or what was left of one cannot be removed.
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
    find_etcd(None)?;
    let file = own_store(settings)?;
    let in_cluster = Cluster::open(&settings.data)?.is_some();
    if !in_cluster {
        if let Some(file) = file {
            refuse_own(file).await?;
            release_disks(settings)?;
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

/// What a daemon that served alone records of itself: nobody misses it.
const OF_ITSELF: [&str; 6] = [
    "store/",
    "disks/",
    "disk-numbers/",
    "disk-counter",
    "volume-counter",
    "scrub/",
];

async fn refuse_own(file: &Path) -> Result<(), JoiningError> {
    let store = volumed_meta::open(file).await?;
    let has = |what| {
        let file = file.to_owned();
        Err(JoiningError::HasOwn { file, what })
    };
    let (_, volumes) = store.range(b"volumes/", None, 1).await?;
    if !volumes.is_empty() {
        return has("volumes");
    }
    let mut after = None;
    loop {
        let (_, page) = store.range(b"", after.as_deref(), PAGE).await?;
        let is_other = |key: &[u8]| !OF_ITSELF.iter().any(|own| key.starts_with(own.as_bytes()));
        if page.iter().any(|entry| is_other(&entry.key)) {
            return has("accounts");
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last.key),
            None => return Ok(()),
        }
    }
}

/// A disk names the store that it served, and no daemon takes it with another one.
fn release_disks(settings: &Settings) -> Result<(), JoiningError> {
    for disk in &settings.disks {
        let path = disk.path.clone();
        match volumed_disk::release(&path) {
            Ok(true) => {}
            Ok(false) => return Err(JoiningError::UsedDisk(path)),
            Err(source) => return Err(JoiningError::Disk { path, source }),
        }
    }
    Ok(())
}
