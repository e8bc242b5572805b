//! Giving a volume to the kernel, and keeping it there.

use std::time::Duration;

use volumed_client::admin::{AdminClient, Attached};
use volumed_daemon::Signals;
use volumed_netlink::nbd;
use volumed_node::OwnerId;

use super::detach::free;
use super::device::Attachment;
use super::error::KernelError;
use super::links::{Link, Links};
use super::name::KernelDevice;
use super::netlink::{Netlink, descriptor};
use super::watch::Watch;

/// How often the kernel looks at a request that is not answered, to send it again if its connection was replaced.
const LOOK: Duration = Duration::from_secs(5);

/// What to attach, where and how.
pub struct Wanted {
    /// The volume.
    pub name: String,
    pub device: KernelDevice,
    /// The device's sector size in bytes.
    pub block_size: u32,
    /// For how long requests wait for a daemon that is away; whole seconds.
    pub wait: Duration,
    /// Whoever else has the volume loses it.
    pub take_over: bool,
}

/// Serves the device until somebody asks it to stop, and frees it then, or until the volume is lost to it.
pub async fn serve(mut watch: Watch, mut signals: Signals) -> Result<(), KernelError> {
    tokio::select! {
        ended = watch.run() => ended,
        () = signals.stop() => {
            stop(&mut watch.links).await;
            Ok(())
        }
    }
}

/// Frees the device, unless it is being used.
async fn stop(links: &mut Links) {
    let device = links.device;
    if let Err(error) = free(links).await {
        tracing::warn!(%device, %error, "the device stays, and nobody connects it again until `volumed volume attach`");
    }
}

/// Attaches, or takes over what another process has attached and left.
pub async fn attach(wanted: &Wanted, client: AdminClient) -> Result<Watch, KernelError> {
    let (device, wait) = (wanted.device, wanted.wait);
    let netlink = Netlink::open()?;
    let dead = netlink.dead_links(device)?;
    let there = device.attachment();
    if let Some(attachment) = there {
        if attachment.volume.as_str() != wanted.name {
            let volume = attachment.volume.to_string();
            return Err(KernelError::HasOther { device, volume });
        }
        let links = Links {
            device,
            attachment,
            client,
            netlink,
            attached: None,
        };
        let size = device.size()?;
        let mut watch = Watch::new(links, dead, size, wait);
        watch.connect_again().await?;
        return Ok(watch);
    }
    if device.in_use() {
        return Err(KernelError::Busy(device));
    }
    let (attachment, attached) = take_volume(wanted, &client).await?;
    let size = attached.size;
    let mut links = Links {
        device,
        attachment,
        client,
        netlink,
        attached: Some(attached),
    };
    if let Err(error) = connect(wanted, &mut links).await {
        let Attachment { volume, owner, .. } = &links.attachment;
        // What is left of it does no harm: the next attach here takes it over.
        let _ = links.client.detach(volume.as_str(), owner.as_str()).await;
        return Err(error);
    }
    Ok(Watch::new(links, dead, size, wait))
}

/// Becomes the volume's owner (V2).
async fn take_volume(
    wanted: &Wanted,
    client: &AdminClient,
) -> Result<(Attachment, Attached), KernelError> {
    let info = client.show_volume(&wanted.name).await?;
    if let Some(owner) = info.owner
        && !wanted.take_over
        && !is_left_over(&owner)?
    {
        let volume = wanted.name.clone();
        return Err(KernelError::Owned { volume, owner });
    }
    let owner = format!(
        "{}{}:{:016x}",
        owners_here()?,
        wanted.device,
        rand::random::<u64>()
    );
    let owner: OwnerId = owner.parse().expect("it is short and printable");
    let attached = client.attach(&wanted.name, owner.as_str()).await?;
    let attachment = Attachment {
        volume: wanted.name.parse().expect("the daemon knows the name"),
        export: attached.lasting_export.clone(),
        owner,
    };
    Ok((attachment, attached))
}

/// What all owners of this machine's kernel begin with.
fn owners_here() -> Result<String, KernelError> {
    let path = std::path::PathBuf::from("/proc/sys/kernel/hostname");
    let host = std::fs::read_to_string(&path);
    let host = host.map_err(|source| KernelError::System { path, source })?;
    Ok(format!("kernel:{}:", host.trim_end()))
}

/// Whether the owner is this machine's kernel, which has no such device any more: it was started anew.
fn is_left_over(owner: &str) -> Result<bool, KernelError> {
    if !owner.starts_with(&owners_here()?) {
        return Ok(false);
    }
    let attached = KernelDevice::attached()?;
    let mut owners = attached.iter().map(|(_, attachment)| &attachment.owner);
    Ok(owners.all(|other| other.as_str() != owner))
}

/// Hands the device its first connection.
async fn connect(wanted: &Wanted, links: &mut Links) -> Result<(), KernelError> {
    let attached = links.attached.as_ref().expect("it was just attached");
    let link = Link::open(attached).await?;
    let backend = links.attachment.to_string();
    links.netlink.connect(&nbd::Connect {
        index: links.device.0,
        size: attached.size,
        block_size: wanted.block_size,
        server_flags: link.flags,
        socket: descriptor(&link.socket),
        dead_timeout: wanted.wait.as_secs(),
        backend: &backend,
    })?;
    if links.device.attachment().as_ref() != Some(&links.attachment) {
        links.netlink.disconnect(links.device)?;
        return Err(KernelError::TooOld);
    }
    links.device.look_at_requests_every(LOOK)
}
