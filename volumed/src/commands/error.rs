//! Why a command was not done, and how it ends then.

use std::path::PathBuf;
use std::process::ExitCode;

use volumed_client::admin::{AdminError, BackUpError, ErrorCode};
use volumed_cluster::ClusterError;
use volumed_daemon::{ConfigError, LoggingError, StateFolderError};
use volumed_meta::CopyError;
use volumed_node::RestoreError;

use crate::cluster::{FoundingError, JoiningError, RecoveringError};
use crate::kernel::KernelError;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The daemon refused or cannot be reached.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// There is no backup.
    #[error(transparent)]
    BackUp(#[from] BackUpError),
    /// The store cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The file is there already.
    #[error("{} exists already: name another file, or move that one away", .0.display())]
    BackupExists(PathBuf),
    /// A store in an etcd is asked for through the daemon.
    #[error("a store in etcd is backed up by a running volumed: leave --store out, or name a file")]
    BackupOfEtcd,
    /// The store was not restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The kernel does not have the volume.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The log cannot be written.
    #[error(transparent)]
    Logging(#[from] LoggingError),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A daemon runs.
    #[error("the store can be restored while volumed is stopped: {0}")]
    Running(#[from] StateFolderError),
    /// The same.
    #[error("a node is made one of a cluster while volumed is stopped: {0}")]
    ClusterRunning(StateFolderError),
    /// Its folder cannot be read.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// No cluster was made.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The store is what it was.
    #[error(transparent)]
    Recovering(#[from] RecoveringError),
    /// The others may not be lost.
    #[error(
        "this has the metadata store go on with what this node has of it, and no other node's copy may be started again: if all \
         others that kept it are lost, add --yes"
    )]
    NotSaidToBeLost,
    /// The node did not join.
    #[error(transparent)]
    Joining(#[from] JoiningError),
    /// None is meant.
    #[error("the pool has no disk {0:?}: volumed disk list shows them all")]
    NoDisk(String),
    /// It was removed while its drain was waited for.
    #[error("the node {0} is in the cluster no more")]
    NodeGone(String),
    /// Nobody does it.
    #[error(
        "no node has compared anything of the volume {name} for {seconds} s: none that holds it can serve it (volumed doctor \
         says why), or those that do are busy with other volumes. It stays asked for: the same command waits on"
    )]
    NotVerified {
        /// The volume.
        name: String,
        /// For so long it was waited for.
        seconds: u32,
    },
    /// More than one is meant.
    #[error("the ids of several disks begin with {0:?}: write more of it")]
    SeveralDisks(String),
    /// It would lose it.
    #[error("{owner} has the volume {name}: add --take-over to take it from there")]
    Owned {
        /// The volume.
        name: String,
        /// Who has it.
        owner: String,
    },
    /// Whoever has it gives it up by itself.
    #[error("the volume {0} is not exported")]
    NotExported(String),
    /// Nobody said yes.
    #[error("nothing was deleted")]
    NotConfirmed,
    /// Nobody can be asked.
    #[error("deleting a volume cannot be undone: add --yes to do it without being asked")]
    NobodyToAsk,
    /// Standard output or input is closed.
    #[error("cannot write the answer: {0}")]
    Terminal(#[from] std::io::Error),
}

impl CommandError {
    /// As `--help` lists them.
    pub fn exit_code(&self) -> ExitCode {
        let number = match self {
            Self::Admin(AdminError::Unreachable { .. })
            | Self::Kernel(KernelError::Admin(AdminError::Unreachable { .. }))
            | Self::BackUp(BackUpError::Admin(AdminError::Unreachable { .. })) => 5,
            Self::Config(_)
            | Self::SeveralDisks(_)
            | Self::Kernel(KernelError::InvalidDevice(_)) => 2,
            Self::NoDisk(_) | Self::NodeGone(_) | Self::Kernel(KernelError::NotAttached(_)) => 3,
            Self::Owned { .. }
            | Self::NotExported(_)
            | Self::Kernel(
                KernelError::Busy(_)
                | KernelError::HasOther { .. }
                | KernelError::Held(_)
                | KernelError::Freed(_)
                | KernelError::Owned { .. },
            ) => 4,
            Self::Admin(error) | Self::Kernel(KernelError::Admin(error)) => match error.code() {
                Some(
                    ErrorCode::VolumeNotFound | ErrorCode::DiskNotFound | ErrorCode::NodeNotFound,
                ) => 3,
                Some(
                    ErrorCode::VolumeExists
                    | ErrorCode::VolumeAttached
                    | ErrorCode::NotOwner
                    | ErrorCode::DiskExists
                    | ErrorCode::DiskState
                    | ErrorCode::NodeState
                    | ErrorCode::NotInCluster
                    | ErrorCode::WouldLose,
                ) => 4,
                _ => 1,
            },
            _ => 1,
        };
        ExitCode::from(number)
    }
}
