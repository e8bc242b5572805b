//! `volumed volume detach`.

use std::process::ExitCode;

use serde_json::json;

use super::device::{Attachment, KernelDevice};
use super::error::KernelError;
use super::links::Links;
use super::netlink::Netlink;
use crate::cli::DetachArgs;
use crate::commands::{CommandError, client, print};

/// `volumed volume detach NAME` or `/dev/nbdN`
pub async fn detach(args: DetachArgs) -> Result<ExitCode, CommandError> {
    let (device, attachment) = find(&args.target)?;
    let mut links = Links {
        device,
        attachment,
        client: client(&args.call),
        netlink: Netlink::open()?,
        attached: None,
    };
    free(&mut links).await?;
    let volume = links.attachment.volume.as_str();
    let answer = json!({ "volume": volume, "device": device.to_string() });
    print(&args.call, &answer, || {
        format!("Detached {volume} from {device}")
    })
}

fn find(target: &str) -> Result<(KernelDevice, Attachment), KernelError> {
    let missing = || KernelError::NotAttached(target.to_owned());
    if target.starts_with('/') {
        let device: KernelDevice = target.parse()?;
        return Ok((device, device.attachment().ok_or_else(missing)?));
    }
    let mut attached = KernelDevice::attached()?.into_iter();
    attached
        .find(|(_, attachment)| attachment.volume.as_str() == target)
        .ok_or_else(missing)
}

/// Frees a device that nobody uses, then gives its volume up.
pub async fn free(links: &mut Links) -> Result<(), KernelError> {
    let claim = links.device.claim()?;
    // What was written to the device itself is still on its way.
    let path = || links.device.to_string().into();
    claim.sync_all().map_err(|source| KernelError::System {
        path: path(),
        source,
    })?;
    links.netlink.disconnect(links.device)?;
    drop(claim);
    let Attachment { volume, owner, .. } = &links.attachment;
    Ok(links.client.detach(volume.as_str(), owner.as_str()).await?)
}
