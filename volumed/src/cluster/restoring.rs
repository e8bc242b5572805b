//! `volumed meta restore` on a node of a cluster: a copy of the metadata store becomes the store again, after every node
//! that kept it has lost it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use volumed_cluster::{Cluster, Keeper, Registry as _, StoreRegistry, open_store};
use volumed_meta::Location;
use volumed_node::{Restored, restore_into_cluster};

use super::recovering::{Former, RecoveringError, refuse_if_others_run};
use crate::config::Settings;

/// etcd answers long before, also on a slow disk.
const PATIENCE: Duration = Duration::from_mins(2);

/// Begins an etcd of this node alone with what is in the copy `from`. The caller holds the lock of its folder.
///
/// The nodes are those that this one saw last, which is later than any copy: who was let in since the copy was made stays
/// in, who was removed stays out, and no token of before lets anybody in. What disks of other nodes hold cannot be
/// compared here, so `accept_loss` is asked for in any case.
pub async fn restore_store(
    settings: &Settings,
    from: &Path,
    accept_loss: bool,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Restored, RecoveringError> {
    let cluster = Cluster::open(&settings.data)?.ok_or(RecoveringError::NoCluster)?;
    let cluster = Arc::new(cluster);
    if cluster.authority().is_none() {
        return Err(RecoveringError::NotKept);
    }
    refuse_if_others_run(&cluster).await?;
    if !accept_loss {
        return Err(RecoveringError::OthersNotCompared);
    }
    let former = Former::keep_if_any(&settings.data)?;
    let restored = begin(&cluster, settings, from, progress).await;
    match (restored, former) {
        (Ok(restored), former) => Ok(Restored {
            kept: former.map(|it| it.kept),
            ..restored
        }),
        (Err(error), Some(former)) => {
            former.put_back()?;
            Err(error)
        }
        (Err(error), None) => {
            // Else the next start would take an empty store for the cluster's.
            let data = volumed_cluster::data_folder(&settings.data);
            let removed = fs::remove_dir_all(&data);
            removed.map_err(|source| RecoveringError::Folder { path: data, source })?;
            Err(error)
        }
    }
}

async fn begin(
    cluster: &Arc<Cluster>,
    settings: &Settings,
    from: &Path,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Restored, RecoveringError> {
    let keeper = Keeper::found(cluster.clone(), &settings.data, None)?;
    let filled = fill(cluster, settings, from, progress).await;
    keeper.stop().await;
    filled
}

async fn fill(
    cluster: &Cluster,
    settings: &Settings,
    from: &Path,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Restored, RecoveringError> {
    let etcd = cluster.store_location();
    let location = Location::Etcd(etcd.clone());
    let opened = timeout(PATIENCE, open_store(&location)).await;
    let store = opened.map_err(|_| RecoveringError::Silent)??;
    let beside = settings.beside_store("restoring");
    let disks = settings.disk_settings();
    let restored = restore_into_cluster(from, etcd, &beside, disks, progress).await?;
    let registry = StoreRegistry::new(store);
    registry.bring_back(&cluster.members()).await?;
    registry.forget_tokens().await?;
    Ok(restored)
}
