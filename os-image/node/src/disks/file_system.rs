//! The file system of a disk, by the system's own programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::program::{ProgramError, output, run};

/// Whether something is mounted there.
pub fn is_mounted(path: &Path) -> bool {
    run("mountpoint", [OsStr::new("-q"), path.as_os_str()]).is_ok()
}

/// Replays the journal; what it cannot fix by itself it leaves, and the mount fails.
pub fn check(device: &Path) -> Result<(), ProgramError> {
    let mut command = Command::new("e2fsck");
    output("e2fsck", command.arg("-p").arg(device)).map(drop)
}

/// Mounts a disk's file system; the folder is made if absent.
pub fn mount(device: &Path, mount_point: &Path) -> Result<(), ProgramError> {
    run("mkdir", [OsStr::new("-p"), mount_point.as_os_str()])?;
    let options = ["-t", "ext4", "-o", "noatime,nosuid,nodev,noexec"].map(OsStr::new);
    let paths = [device.as_os_str(), mount_point.as_os_str()];
    run("mount", options.into_iter().chain(paths)).map(drop)
}

/// Unmounts it; everything on it is durable then.
pub fn unmount(mount_point: &Path) -> Result<(), ProgramError> {
    run("umount", [mount_point]).map(drop)
}

/// Shows a folder of it at another place, too.
pub fn bind(folder: &Path, at: &Path) -> Result<(), ProgramError> {
    let paths = [folder.as_os_str(), at.as_os_str()];
    run("mount", [OsStr::new("--bind")].into_iter().chain(paths)).map(drop)
}
