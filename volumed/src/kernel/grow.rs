//! Has a mounted file system use all of a device that has grown.

use std::path::Path;

use tokio::process::Command;

use super::mounts;
use super::name::KernelDevice;

/// Grows the file system on `device`, if one is mounted that can grow.
pub async fn file_system(device: KernelDevice) {
    let mount = device
        .number()
        .ok()
        .zip(tokio::fs::read("/proc/self/mountinfo").await.ok())
        .and_then(|(number, mountinfo)| mounts::of_device(&mountinfo, &number));
    let Some(mount) = mount else {
        tracing::info!(%device, "nothing is mounted from the device, so no file system was grown");
        return;
    };
    let target = device.to_string();
    let (program, target) = match mount.kind.as_str() {
        "ext2" | "ext3" | "ext4" => ("resize2fs", Path::new(&target)),
        "xfs" => ("xfs_growfs", mount.folder.as_path()),
        kind => {
            tracing::warn!(%device, kind, "a file system of this kind has to be grown by hand");
            return;
        }
    };
    match Command::new(program).arg(target).output().await {
        Ok(output) if output.status.success() => {
            tracing::info!(%device, folder = %mount.folder.display(), "the file system was grown");
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            tracing::error!(%device, program, said = said.trim(), "the file system was not grown");
        }
        Err(error) => tracing::error!(%device, program, %error, "the file system was not grown"),
    }
}
