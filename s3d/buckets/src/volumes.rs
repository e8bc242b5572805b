//! The volumes that buckets live on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use s3d_bucket::Devices;
use volumed_client::admin::{AdminClient, AdminError, CreateVolume, ErrorCode};
use volumed_client::{ConnectError, NbdDevice};

use super::index_io::IndexIo;

/// Virtual size of a bucket's volume: it takes only what is written.
const SIZE: u64 = 1 << 60;

/// A volume that is this process's own until another owner attaches it (V2).
pub struct Attachment {
    /// The volume.
    pub devices: Devices,
    /// The epoch of this attachment (V1).
    pub epoch: u64,
    /// Whether a connection to the volume is gone.
    pub lost: Arc<dyn Fn() -> bool + Send + Sync>,
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
    /// Makes a volume; one that is there already is as good.
    async fn create(&self, volume: &str) -> Result<(), VolumeError>;

    /// Makes the volume this process's own, and connects.
    async fn attach(&self, volume: &str) -> Result<Attachment, VolumeError>;

    /// Gives the volume up, if it is this process's own.
    async fn detach(&self, volume: &str) -> Result<(), VolumeError>;

    /// Deletes a volume whoever has it; one that is gone already is as good.
    async fn delete(&self, volume: &str) -> Result<(), VolumeError>;
}

/// The volumes of a volumed on this node.
pub struct NodeVolumes {
    admin: AdminClient,
    /// Names this process to volumed (V2); never used again.
    owner: String,
    index_io: IndexIo,
}

impl NodeVolumes {
    /// The volumes of the daemon at `admin`. `owner`: at most 256 printable characters that no
    /// other process uses, nor this one after a restart.
    pub fn new(admin: impl Into<PathBuf>, owner: String) -> std::io::Result<Self> {
        Ok(Self {
            admin: AdminClient::new(admin),
            owner,
            index_io: IndexIo::start()?,
        })
    }

    async fn connect(&self, socket: &Path, export: &str) -> Result<(Devices, Lost), ConnectError> {
        let data = Arc::new(NbdDevice::connect(socket, export).await?);
        let index = Arc::new(self.index_io.connect(socket, export).await?);
        let devices = Devices {
            data: data.clone(),
            index: index.clone(),
        };
        let lost = Arc::new(move || data.is_disconnected() || index.is_disconnected());
        Ok((devices, lost))
    }
}

type Lost = Arc<dyn Fn() -> bool + Send + Sync>;

#[async_trait]
impl Volumes for NodeVolumes {
    async fn create(&self, volume: &str) -> Result<(), VolumeError> {
        let request = CreateVolume {
            name: volume.to_owned(),
            size: SIZE,
            replicas: 1,
        };
        match self.admin.create_volume(&request).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(ErrorCode::VolumeExists) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn attach(&self, volume: &str) -> Result<Attachment, VolumeError> {
        let attached = self.admin.attach(volume, &self.owner).await?;
        let (devices, lost) = self.connect(&attached.nbd_socket, &attached.export).await?;
        Ok(Attachment {
            devices,
            epoch: attached.epoch,
            lost,
        })
    }

    async fn detach(&self, volume: &str) -> Result<(), VolumeError> {
        match self.admin.detach(volume, &self.owner).await {
            Err(error)
                if !matches!(
                    error.code(),
                    Some(ErrorCode::NotOwner | ErrorCode::VolumeNotFound)
                ) =>
            {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    async fn delete(&self, volume: &str) -> Result<(), VolumeError> {
        let mut outcome = self.admin.delete_volume(volume).await;
        if code(&outcome) == Some(ErrorCode::VolumeAttached) {
            // An earlier process of ours has it still: taking it over ends that (V2).
            self.admin.attach(volume, &self.owner).await?;
            self.admin.detach(volume, &self.owner).await?;
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
            // A failed disk and a defect may heal (V13), and a daemon that ends comes back.
            None
            | Some(
                ErrorCode::StoreUnavailable
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
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
