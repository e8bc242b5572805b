//! The volumes that buckets live on.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use s3d_bucket::Devices;
use volumed_client::admin::{AdminClient, AdminError, Attached, CreateVolume, ErrorCode};
use volumed_client::{ConnectError, ExtentFiles, ReconnectingDevice};
use volumed_cluster::NodeNumber;

use super::index_io::IndexIo;
use super::ownership::{Answers, Ownership, Reconnect, Route};

/// How long what was asked of a bucket waits for a volume daemon that is away (B5).
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Virtual size of a bucket's volume: it takes only what is written.
const SIZE: u64 = 1 << 60;

/// A volume that is this process's own until another owner attaches it (V2).
pub struct Attachment {
    /// The volume.
    pub devices: Devices,
    /// The epoch of this attachment (V1).
    pub epoch: u64,
    /// How long it lasts.
    pub hold: Arc<dyn Hold>,
}

/// How long an attachment lasts.
#[async_trait]
pub trait Hold: Send + Sync {
    /// Whether the volume is known to be gone for good: the daemon was away for too long ([`PATIENCE`]), or
    /// somebody else attached it.
    fn is_lost(&self) -> bool;

    /// Whether nobody else can have had the volume until this call (V1). Waits for a daemon that is away.
    async fn stands(&self) -> bool;
}

/// Why a volume could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// Not now: worth another try.
    #[error("the volume daemon is not available: {0}")]
    Unavailable(String),
    /// The pool is full.
    #[error("the pool has no space left")]
    NoSpace,
    /// Another node serves it.
    #[error("another node serves the volume")]
    ServedElsewhere,
    /// There is no such volume.
    #[error("the volume is gone")]
    Gone,
    /// The daemon will not have it.
    #[error("the volume daemon refuses: {0}")]
    Refused(String),
}

/// Makes, attaches and deletes volumes. Each call may be repeated after a crash.
#[async_trait]
pub trait Volumes: Send + Sync + 'static {
    /// Makes a volume of which so many replicas are kept; one that is there already is as good.
    async fn create(&self, volume: &str, replicas: u8) -> Result<(), VolumeError>;

    /// Makes the volume this process's own, whoever has it, and connects.
    async fn attach(&self, volume: &str) -> Result<Attachment, VolumeError>;

    /// The same, unless another node serves it: [`VolumeError::ServedElsewhere`].
    async fn attach_unless_served(&self, volume: &str) -> Result<Attachment, VolumeError>;

    /// The node that serves the volume now, in a cluster and if one does.
    async fn server(&self, volume: &str) -> Result<Option<NodeNumber>, VolumeError>;

    /// Gives the volume up, if it is this process's own.
    async fn detach(&self, volume: &str) -> Result<(), VolumeError>;

    /// Deletes a volume whoever has it; one that is gone already is as good.
    async fn delete(&self, volume: &str) -> Result<(), VolumeError>;

    /// Bytes that can still be written to volumes.
    async fn free(&self) -> Result<u64, VolumeError>;

    /// Bytes that volumes hold on all disks.
    async fn held(&self) -> Result<u64, VolumeError>;
}

/// From whom a volume is taken, if somebody has it.
#[derive(Debug, Clone, Copy)]
enum Holder {
    /// Whoever it is.
    Anybody,
    /// Somebody on this node; another node keeps it.
    ThisNode,
}

/// The volumes of a volumed on this node.
pub struct NodeVolumes {
    admin: AdminClient,
    /// Names this process to volumed (V2); never used again.
    process: String,
    /// How many attachments there were: each has an owner's name of its own.
    attachments: AtomicU64,
    /// By volume, the owner under which it is attached.
    owners: Mutex<HashMap<String, String>>,
    index_io: Arc<IndexIo>,
    extents: ExtentFiles,
    patience: Duration,
}

impl NodeVolumes {
    /// The volumes of the daemon at `admin`. `process`: at most 200 printable characters that no
    /// other process uses, nor this one after a restart. `open_extents`: files of extents that all
    /// buckets together may hold open for reading, 64 MiB of a bucket each.
    pub fn new(
        admin: impl Into<PathBuf>,
        process: String,
        open_extents: usize,
    ) -> std::io::Result<Self> {
        Ok(Self {
            admin: AdminClient::new(admin),
            process,
            attachments: AtomicU64::new(0),
            owners: Mutex::default(),
            index_io: Arc::new(IndexIo::start()?),
            extents: ExtentFiles::new(open_extents),
            patience: PATIENCE,
        })
    }

    /// Waits so long, and not [`PATIENCE`], for a daemon that is away.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Attaches under a name that no earlier attachment had: what is left of one cannot take the
    /// volume back from a later one.
    async fn attach_as_new(
        &self,
        volume: &str,
        from: Holder,
    ) -> Result<(String, Attached), AdminError> {
        let number = self.attachments.fetch_add(1, Ordering::Relaxed);
        let owner = format!("{}-{number}", self.process);
        // Before the call: its answer may be lost, and what it did is undone by a detach.
        let known = owner.clone();
        self.owners.lock().insert(volume.to_owned(), known);
        let attached = match from {
            Holder::Anybody => self.admin.attach(volume, &owner).await?,
            Holder::ThisNode => self.admin.attach_unless_served(volume, &owner).await?,
        };
        Ok((owner, attached))
    }

    async fn connected(&self, volume: &str, from: Holder) -> Result<Attachment, VolumeError> {
        let (owner, attached) = self.attach_as_new(volume, from).await?;
        let admin = self.admin.clone();
        let ownership = Ownership::new(admin, volume.to_owned(), owner, attached.clone());
        let ownership = Arc::new(ownership);
        let data = self.device(&ownership, &attached, Answers::Here).await?;
        let index_io = Answers::IndexIo(self.index_io.clone());
        let index = self.device(&ownership, &attached, index_io).await?;
        let devices = Devices {
            data: data.clone(),
            index: index.clone(),
        };
        Ok(Attachment {
            devices,
            epoch: attached.epoch,
            hold: Arc::new(Connected { data, index }),
        })
    }

    /// Bytes that a volume holds in the pool.
    pub async fn used(&self, volume: &str) -> Result<u64, VolumeError> {
        Ok(self.admin.show_volume(volume).await?.used)
    }

    /// Where a volume is known to be damaged, in bytes; and whether it is elsewhere, too.
    pub async fn damage(&self, volume: &str) -> Result<(Vec<Range<u64>>, bool), VolumeError> {
        let damage = self.admin.volume_damage(volume).await?;
        let ranges = damage.ranges.iter();
        let ranges = ranges.map(|range| range.offset..range.offset + range.length);
        Ok((ranges.collect(), damage.more))
    }

    async fn device(
        &self,
        ownership: &Arc<Ownership>,
        attached: &Attached,
        answers: Answers,
    ) -> Result<Arc<ReconnectingDevice>, ConnectError> {
        let extents = self.extents.clone();
        let route = Route { extents, answers };
        let first = route.connect(attached).await?;
        let reconnect = Reconnect::new(ownership.clone(), attached, route);
        let device = ReconnectingDevice::new(first, Arc::new(reconnect), self.patience);
        Ok(Arc::new(device))
    }
}

/// The connections of one attachment, which all end with it.
struct Connected {
    data: Arc<ReconnectingDevice>,
    index: Arc<ReconnectingDevice>,
}

#[async_trait]
impl Hold for Connected {
    fn is_lost(&self) -> bool {
        self.data.is_lost() || self.index.is_lost()
    }

    async fn stands(&self) -> bool {
        self.data.is_owned().await
    }
}

#[async_trait]
impl Volumes for NodeVolumes {
    async fn create(&self, volume: &str, replicas: u8) -> Result<(), VolumeError> {
        let request = CreateVolume {
            name: volume.to_owned(),
            size: SIZE,
            replicas,
            auto_grow: None,
            quota: None,
        };
        match self.admin.create_volume(&request).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(ErrorCode::VolumeExists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn attach(&self, volume: &str) -> Result<Attachment, VolumeError> {
        self.connected(volume, Holder::Anybody).await
    }

    async fn attach_unless_served(&self, volume: &str) -> Result<Attachment, VolumeError> {
        self.connected(volume, Holder::ThisNode).await
    }

    async fn server(&self, volume: &str) -> Result<Option<NodeNumber>, VolumeError> {
        let shown = self.admin.show_volume(volume).await?;
        Ok(shown.node.map(NodeNumber))
    }

    async fn free(&self) -> Result<u64, VolumeError> {
        Ok(self.admin.pool().await?.free)
    }

    async fn held(&self) -> Result<u64, VolumeError> {
        Ok(self.admin.pool().await?.used)
    }

    async fn detach(&self, volume: &str) -> Result<(), VolumeError> {
        let owner = self.owners.lock().get(volume).cloned();
        let Some(owner) = owner else {
            return Ok(());
        };
        match self.admin.detach(volume, &owner).await {
            Err(error)
                if !matches!(
                    error.code(),
                    Some(ErrorCode::NotOwner | ErrorCode::VolumeNotFound)
                ) =>
            {
                Err(error.into())
            }
            _ => {
                self.owners.lock().remove(volume);
                Ok(())
            }
        }
    }

    async fn delete(&self, volume: &str) -> Result<(), VolumeError> {
        let mut outcome = self.admin.delete_volume(volume).await;
        if code(&outcome) == Some(ErrorCode::VolumeAttached) {
            // An earlier process of ours has it still: taking it over ends that (V2).
            self.attach_as_new(volume, Holder::Anybody).await?;
            self.detach(volume).await?;
            outcome = self.admin.delete_volume(volume).await;
        }
        match outcome {
            Err(error) if error.code() != Some(ErrorCode::VolumeNotFound) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn code(outcome: &Result<(), AdminError>) -> Option<ErrorCode> {
    outcome.as_ref().err().and_then(AdminError::code)
}

impl From<AdminError> for VolumeError {
    fn from(error: AdminError) -> Self {
        match error.code() {
            Some(ErrorCode::NoSpace) => Self::NoSpace,
            Some(ErrorCode::VolumeNotFound) => Self::Gone,
            Some(ErrorCode::ServedElsewhere) => Self::ServedElsewhere,
            // A failed disk and a defect may heal (V13), descriptors are given back, and a daemon that
            // ends comes back.
            None
            | Some(
                ErrorCode::StoreUnavailable
                | ErrorCode::Exhausted
                | ErrorCode::ShuttingDown
                | ErrorCode::Io
                | ErrorCode::Internal,
            ) => Self::Unavailable(error.to_string()),
            Some(_) => Self::Refused(error.to_string()),
        }
    }
}

impl From<ConnectError> for VolumeError {
    fn from(error: ConnectError) -> Self {
        // Also a refused export: the attachment may have died between the two calls.
        Self::Unavailable(error.to_string())
    }
}

impl std::fmt::Debug for NodeVolumes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NodeVolumes")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}
