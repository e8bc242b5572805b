//! Keeps a device served, and as large as its volume.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};
use volumed_client::admin::ErrorCode;

use super::error::KernelError;
use super::grow;
use super::links::Links;

/// How often the volume's size is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The pause between two tries to connect.
const RETRY: Duration = Duration::from_millis(200);

/// One device and its volume.
pub struct Watch {
    pub links: Links,
    pub dead: Arc<Notify>,
    /// What the kernel takes the device's size for.
    pub size: u64,
    /// For how long requests wait for a connection.
    wait: Duration,
    /// The file system that is being grown.
    growing: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn new(links: Links, dead: Arc<Notify>, size: u64, wait: Duration) -> Self {
        Self {
            links,
            dead,
            size,
            wait,
            growing: None,
        }
    }

    /// Goes on until the device serves something else or nothing, or the volume is lost to it. May be
    /// dropped at any time.
    pub async fn run(&mut self) -> Result<(), KernelError> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.is_ours() {
            tokio::select! {
                () = self.dead.notified() => self.connect_again().await?,
                _ = look.tick() => self.pass_growth_on().await?,
            }
        }
        Ok(())
    }

    fn is_ours(&self) -> bool {
        self.links.device.attachment().as_ref() == Some(&self.links.attachment)
    }

    /// Gives the kernel a connection again. When that cannot be, or not in time, the device is freed, so that what
    /// waits for it fails: the kernel by itself lets what was sent on a dead connection wait for ever.
    pub async fn connect_again(&mut self) -> Result<(), KernelError> {
        let error = match timeout(self.wait, self.try_to_connect()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => KernelError::StayedAway(self.wait.as_secs()),
        };
        let device = self.links.device;
        tracing::error!(%device, %error, "the volume is lost to the device, which is freed");
        self.links.netlink.disconnect(device)?;
        Err(error)
    }

    /// Tries until the kernel has a connection, or it is known that it will not get one.
    async fn try_to_connect(&mut self) -> Result<(), KernelError> {
        let device = self.links.device;
        let mut said = String::new();
        while self.is_ours() {
            let error = match self.links.replace_dead().await {
                Err(error) if !is_for_good(&error) => error,
                result => return result,
            };
            let sentence = error.to_string();
            if said != sentence {
                tracing::warn!(%device, error = sentence, "not connected; trying on");
                said = sentence;
            }
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    async fn pass_growth_on(&mut self) -> Result<(), KernelError> {
        if self
            .growing
            .as_ref()
            .is_some_and(|task| !task.is_finished())
        {
            return Ok(());
        }
        let volume = self.links.attachment.volume.as_str();
        // Whoever cannot be asked now is asked again; what is wrong with it is found when it is connected.
        let Ok(volume) = self.links.client.show_volume(volume).await else {
            return Ok(());
        };
        if volume.size <= self.size {
            return Ok(());
        }
        let device = self.links.device;
        let backend = self.links.attachment.to_string();
        self.links.netlink.resize(device, &backend, volume.size)?;
        tracing::info!(%device, size = volume.size, "the device has grown with its volume");
        self.size = volume.size;
        self.growing = Some(tokio::spawn(grow::file_system(device)));
        Ok(())
    }
}

/// Somebody else has the volume, or it is gone, or the device was freed.
fn is_for_good(error: &KernelError) -> bool {
    match error {
        KernelError::Freed(_) | KernelError::Lost(_) => true,
        KernelError::Admin(error) => matches!(
            error.code(),
            Some(ErrorCode::NotOwner | ErrorCode::VolumeNotFound)
        ),
        _ => false,
    }
}
