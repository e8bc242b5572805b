//! `volumed volume attach`.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use volumed_client::admin::{AdminClient, Attached};
use volumed_core::size::display;
use volumed_daemon::{LogFormat, LogSettings, Logging, ServiceManager, Signals};
use volumed_netlink::nbd;
use volumed_node::OwnerId;

use super::background;
use super::detach;
use super::device::{Attachment, KernelDevice};
use super::error::KernelError;
use super::links::{Link, Links};
use super::netlink::{Netlink, descriptor};
use super::watch::Watch;
use crate::cli::AttachArgs;
use crate::commands::{CommandError, client, print};

/// How often the kernel looks at a request that is not answered, to send it again if its connection was replaced.
const LOOK: Duration = Duration::from_secs(5);

/// What an attach answers.
#[derive(Debug, Serialize)]
struct Answer {
    volume: String,
    device: String,
    size: u64,
}

/// `volumed volume attach NAME /dev/nbdN`
pub async fn attach(args: AttachArgs) -> Result<ExitCode, CommandError> {
    if !args.foreground {
        return Ok(background::run().map_err(KernelError::Background)?);
    }
    if !args.background {
        start_log()?;
    }
    // The kernel may be waiting for this process when it is short of memory.
    if let Err(error) = volumed_daemon::exempt_from_reclaim() {
        tracing::warn!(%error, "when memory is short, the device may hang");
    }
    let mut signals = Signals::catch()?;
    let mut watch = begin(&args).await?;
    let answer = Answer {
        volume: args.name.clone(),
        device: args.device.to_string(),
        size: watch.size,
    };
    print(&args.call, &answer, || {
        let size = display(answer.size);
        format!("Attached {} ({size}) at {}", answer.volume, answer.device)
    })?;
    if args.background {
        background::leave_terminal().map_err(KernelError::Background)?;
        start_log()?;
    }
    let _service = ServiceManager::ready();
    tokio::select! {
        ended = watch.run() => ended?,
        () = signals.stop() => stop(&mut watch.links).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// On standard error, as that is now.
fn start_log() -> Result<(), CommandError> {
    let settings = LogSettings {
        format: LogFormat::Text,
        level: "info".to_owned(),
    };
    Logging::start(&settings, "")?;
    Ok(())
}

/// Frees the device, unless it is being used.
async fn stop(links: &mut Links) {
    let device = links.device;
    if let Err(error) = detach::free(links).await {
        tracing::warn!(%device, %error, "the device stays, and nobody connects it again until `volumed volume attach`");
    }
}

/// Attaches, or takes over what another process has attached and left.
async fn begin(args: &AttachArgs) -> Result<Watch, CommandError> {
    let (device, wait) = (args.device, Duration::from_secs(args.wait));
    let netlink = Netlink::open()?;
    let dead = netlink.dead_links(device)?;
    let client = client(&args.call);
    let there = device.attachment();
    if let Some(attachment) = there {
        if attachment.volume.as_str() != args.name {
            let volume = attachment.volume.to_string();
            return Err(KernelError::HasOther { device, volume }.into());
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
        return Err(KernelError::Busy(device).into());
    }
    let (attachment, attached) = take_volume(args, &client).await?;
    let size = attached.size;
    let mut links = Links {
        device,
        attachment,
        client,
        netlink,
        attached: Some(attached),
    };
    if let Err(error) = connect(args, &mut links).await {
        let Attachment { volume, owner, .. } = &links.attachment;
        // What is left of it does no harm: the next attach here takes it over.
        let _ = links.client.detach(volume.as_str(), owner.as_str()).await;
        return Err(error.into());
    }
    Ok(Watch::new(links, dead, size, wait))
}

/// Becomes the volume's owner (V2).
async fn take_volume(
    args: &AttachArgs,
    client: &AdminClient,
) -> Result<(Attachment, Attached), CommandError> {
    let info = client.show_volume(&args.name).await?;
    if let Some(owner) = info.owner
        && !args.take_over
        && !is_left_over(&owner)?
    {
        let volume = args.name.clone();
        return Err(KernelError::Owned { volume, owner }.into());
    }
    let owner = format!(
        "{}{}:{:016x}",
        owners_here()?,
        args.device,
        rand::random::<u64>()
    );
    let owner: OwnerId = owner.parse().expect("it is short and printable");
    let attached = client.attach(&args.name, owner.as_str()).await?;
    let attachment = Attachment {
        volume: args.name.parse().expect("the daemon knows the name"),
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
async fn connect(args: &AttachArgs, links: &mut Links) -> Result<(), KernelError> {
    let attached = links.attached.as_ref().expect("it was just attached");
    let link = Link::open(attached).await?;
    let backend = links.attachment.to_string();
    links.netlink.connect(&nbd::Connect {
        index: links.device.0,
        size: attached.size,
        block_size: args.block_size,
        server_flags: link.flags,
        socket: descriptor(&link.socket),
        dead_timeout: args.wait,
        backend: &backend,
    })?;
    if links.device.attachment().as_ref() != Some(&links.attachment) {
        links.netlink.disconnect(links.device)?;
        return Err(KernelError::TooOld);
    }
    links.device.look_at_requests_every(LOOK)
}
