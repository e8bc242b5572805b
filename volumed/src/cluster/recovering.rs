//! `volumed cluster recover`: has the metadata store go on with this node's copy of it alone, after a majority of the
//! nodes that kept it was lost.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use volumed_cluster::{
    Cluster, ClusterError, Keeper, MemberError, NodeName, Own, RegistryError, data_folder, now,
    open_store,
};
use volumed_meta::{Location, OpenError};
use volumed_node::{Loss, RestoreError, go_on_with};

use crate::config::Settings;

/// etcd reads what it has, and answers long before, also on a slow disk.
const PATIENCE: Duration = Duration::from_mins(2);

/// A machine that is there takes the connection long before.
const SILENCE: Duration = Duration::from_secs(3);

/// What the store goes on with.
#[derive(Debug)]
pub struct Recovered {
    /// This node.
    pub own: Own,
    /// The others of the cluster: those that are lost have to be removed.
    pub others: Vec<NodeName>,
    /// What the store lacks of what this node's disks tell.
    pub loss: Loss,
    /// Where etcd's data is kept as it was.
    pub kept: PathBuf,
}

/// Why the store is what it was.
#[derive(Debug, thiserror::Error)]
pub enum RecoveringError {
    /// There is nothing to recover.
    #[error("this node is in no cluster")]
    NoCluster,
    /// It has no copy of the store.
    #[error(
        "this node did not keep the metadata store (volumed cluster show says who does): type this on one that did"
    )]
    NotKept,
    /// The store is not lost.
    #[error(
        "etcd runs on {0}: start volumed here, and on as many other nodes as can be; two of three are enough"
    )]
    Runs(NodeName),
    /// Its folder is no good.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// etcd's data cannot be copied.
    #[error("cannot keep {} as it is: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store does not go with the disks, or lacks something.
    #[error(transparent)]
    Disks(#[from] RestoreError),
    /// etcd cannot be run.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// etcd ran, and did not answer.
    #[error("etcd did not answer within {} s; its log is above", PATIENCE.as_secs())]
    Silent,
    /// The store is no good.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The nodes cannot be brought back.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// What other nodes hold may not be in the copy.
    #[error(
        "a copy is put in the place of a store that every node has lost: what was placed since it was made is lost, on disks \
         of other nodes too, which cannot be compared from here. Take the newest copy (each node has some in DISK/meta), \
         and add --accept-loss"
    )]
    OthersNotCompared,
}

/// Makes this node's member of etcd the only one, if it knows all that this node's disks tell of, or `accept_loss`. The
/// caller holds the lock of its folder.
///
/// A member that is made the only one forgets what it was not yet told to be the majority's, which may be a moment of
/// changes.
pub async fn recover(settings: &Settings, accept_loss: bool) -> Result<Recovered, RecoveringError> {
    let cluster = Cluster::open(&settings.data)?.ok_or(RecoveringError::NoCluster)?;
    let cluster = Arc::new(cluster);
    let others = refuse_if_others_run(&cluster).await?;
    let former = Former::keep(&settings.data)?;
    match go_on(&cluster, settings, accept_loss).await {
        Ok(loss) => Ok(Recovered {
            own: cluster.own().clone(),
            others,
            loss,
            kept: former.kept,
        }),
        Err(error) => {
            former.put_back()?;
            Err(error)
        }
    }
}

async fn go_on(
    cluster: &Arc<Cluster>,
    settings: &Settings,
    accept_loss: bool,
) -> Result<Loss, RecoveringError> {
    let keeper = Keeper::recover(cluster.clone(), &settings.data, None)?;
    let keeper = keeper.ok_or(RecoveringError::NotKept)?;
    let location = Location::Etcd(cluster.store_location());
    let going_on = async {
        // It answers once there is a leader, which is this member.
        let opened = timeout(PATIENCE, open_store(&location)).await;
        let store = opened.map_err(|_| RecoveringError::Silent)??;
        Ok(go_on_with(&*store, settings.disk_settings(), accept_loss).await?)
    };
    let gone_on = going_on.await;
    keeper.stop().await;
    gone_on
}

/// A copy of etcd's data as it was.
pub(super) struct Former {
    data: PathBuf,
    pub kept: PathBuf,
}

impl Former {
    fn keep(state: &Path) -> Result<Self, RecoveringError> {
        let data = data_folder(state);
        if !data.exists() {
            return Err(RecoveringError::NotKept);
        }
        let kept = state.join(format!("etcd.ended-{}", now()));
        match copy_folder(&data, &kept) {
            Ok(()) => Ok(Self { data, kept }),
            Err(source) => Err(RecoveringError::Folder { path: data, source }),
        }
    }

    /// None where there is no data.
    pub(super) fn keep_if_any(state: &Path) -> Result<Option<Self>, RecoveringError> {
        match Self::keep(state) {
            Err(RecoveringError::NotKept) => Ok(None),
            kept => kept.map(Some),
        }
    }

    pub(super) fn put_back(self) -> Result<(), RecoveringError> {
        let Self { data, kept } = self;
        let removed = fs::remove_dir_all(&data);
        let put = removed.and_then(|()| fs::rename(&kept, &data));
        put.map_err(|source| RecoveringError::Folder { path: data, source })
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// Two that go on by themselves, each with what it has, would be two clusters.
pub(super) async fn refuse_if_others_run(
    cluster: &Cluster,
) -> Result<Vec<NodeName>, RecoveringError> {
    let own = cluster.own().node;
    let nodes = cluster.members().nodes;
    let others: Vec<_> = nodes.into_iter().filter(|node| node.id != own).collect();
    for node in others.iter().filter(|node| node.signs) {
        // A member that waits for a majority serves nobody, but listens for the others.
        let calling = TcpStream::connect(node.place.etcd_peer());
        if timeout(SILENCE, calling).await.is_ok_and(|it| it.is_ok()) {
            return Err(RecoveringError::Runs(node.name.clone()));
        }
    }
    Ok(others.into_iter().map(|node| node.name).collect())
}
