//! Taking a volume back from the kernel.

use volumed_client::admin::AdminClient;
use volumed_node::VolumeName;

use super::device::Attachment;
use super::error::KernelError;
use super::links::Links;
use super::name::KernelDevice;
use super::netlink::Netlink;

/// Frees the device that is named, or has the volume that is; answers both.
pub async fn detach(
    target: &str,
    client: AdminClient,
) -> Result<(KernelDevice, VolumeName), KernelError> {
    let (device, attachment) = find(target)?;
    let mut links = Links {
        device,
        attachment,
        client,
        netlink: Netlink::open()?,
        attached: None,
    };
    free(&mut links).await?;
    Ok((device, links.attachment.volume))
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
