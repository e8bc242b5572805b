//! A volume that this process has attached, and how its connections are made anew when the volume
//! daemon was restarted under it (B5).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::Mutex;
use volumed_client::admin::{AdminClient, AdminError, Attached, ErrorCode};
use volumed_client::{Connect, ConnectError, ConnectFailure, ExtentFiles, NbdDevice, Reconnected};

use super::index_io::IndexIo;

/// A volume under one owner's name. Attaching it again revokes every connection there is, so both
/// devices of a bucket share the newest attachment.
pub struct Ownership {
    admin: AdminClient,
    volume: String,
    owner: String,
    newest: Mutex<Attached>,
}

impl Ownership {
    pub fn new(admin: AdminClient, volume: String, owner: String, attached: Attached) -> Self {
        let newest = Mutex::new(attached);
        Self {
            admin,
            volume,
            owner,
            newest,
        }
    }

    /// The newest attachment, made now unless it is later than `epoch`.
    async fn later_than(&self, epoch: u64) -> Result<Attached, ConnectFailure> {
        let mut newest = self.newest.lock().await;
        if newest.epoch <= epoch {
            let attached = self.admin.attach_again(&self.volume, &self.owner).await;
            *newest = attached.map_err(|error| failure(&self.volume, &error))?;
            let (volume, epoch) = (&self.volume, newest.epoch);
            tracing::info!(volume, epoch, "the volume is attached again");
        }
        Ok(newest.clone())
    }
}

fn failure(volume: &str, error: &AdminError) -> ConnectFailure {
    match error.code() {
        Some(ErrorCode::NotOwner | ErrorCode::VolumeNotFound) => {
            tracing::warn!(volume, %error, "the volume is lost to this process");
            ConnectFailure::Final
        }
        _ => ConnectFailure::Passing,
    }
}

/// How a device is connected: reading goes without the daemon where it can (V14).
#[derive(Debug)]
pub struct Route {
    pub extents: ExtentFiles,
    pub answers: Answers,
}

/// Which thread takes the answers of the daemon (B9).
#[derive(Debug)]
pub enum Answers {
    /// That of the caller's runtime.
    Here,
    /// The index's own.
    IndexIo(Arc<IndexIo>),
}

impl Route {
    /// A device of this attachment alone: it has nothing of an earlier one, neither connections nor
    /// files.
    pub async fn connect(&self, attached: &Attached) -> Result<Arc<NbdDevice>, ConnectError> {
        let (socket, export) = (&attached.nbd_socket, &attached.export);
        let device = match &self.answers {
            Answers::Here => NbdDevice::connect(socket, export).await?,
            Answers::IndexIo(io) => io.connect(socket, export).await?,
        };
        let (extents, files) = (&attached.extents_socket, self.extents.clone());
        Ok(Arc::new(device.with_extents(extents, export, files).await))
    }
}

/// Makes the next connection of one device.
pub struct Reconnect {
    ownership: Arc<Ownership>,
    /// The epoch of the last attachment that was tried.
    tried: AtomicU64,
    /// The name that lasts while nothing of this device is lost (V9).
    lasting: parking_lot::Mutex<String>,
    route: Route,
}

impl Reconnect {
    /// `first`: the attachment under which the device is connected.
    pub fn new(ownership: Arc<Ownership>, first: &Attached, route: Route) -> Self {
        Self {
            ownership,
            tried: AtomicU64::new(first.epoch),
            lasting: parking_lot::Mutex::new(first.lasting_export.clone()),
            route,
        }
    }
}

#[async_trait]
impl Connect for Reconnect {
    async fn connect(&self) -> Result<Reconnected, ConnectFailure> {
        let tried = self.tried.load(Ordering::Acquire);
        let attached = self.ownership.later_than(tried).await?;
        // Before the attempt: an export that refuses has died with another end of the daemon.
        self.tried.store(attached.epoch, Ordering::Release);
        let device = self.route.connect(&attached).await;
        let device = device.map_err(|_| ConnectFailure::Passing)?;
        let lasting = attached.lasting_export;
        let before = std::mem::replace(&mut *self.lasting.lock(), lasting.clone());
        let kept = before == lasting;
        Ok(Reconnected { device, kept })
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reconnect")
            .field("volume", &self.ownership.volume)
            .field("tried", &self.tried)
            .finish_non_exhaustive()
    }
}
