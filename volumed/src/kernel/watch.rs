//! Keeps a device served, and as large as its volume.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use volumed_client::admin::{AdminError, ErrorCode};

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

    /// Tries until the kernel has a connection again. A volume that somebody else has, or that is gone, will not
    /// come back, and a daemon that is away too long may not: then the device is freed, so that what waits for it
    /// fails. The kernel by itself lets what was sent on a dead connection wait for ever.
    pub async fn connect_again(&mut self) -> Result<(), KernelError> {
        let device = self.links.device;
        let deadline = Instant::now() + self.wait;
        let mut said = String::new();
        while self.is_ours() {
            let Err(error) = self.links.replace_dead().await else {
                return Ok(());
            };
            if is_for_good(&error) || Instant::now() > deadline {
                tracing::error!(%device, %error, "the volume is lost to the device, which is freed");
                self.links.netlink.disconnect(device)?;
                return Err(error);
            }
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

fn is_for_good(error: &KernelError) -> bool {
    matches!(error, KernelError::Admin(error @ AdminError::Refused { .. })
        if matches!(error.code(), Some(ErrorCode::NotOwner | ErrorCode::VolumeNotFound)))
}
