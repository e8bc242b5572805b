//! Partitions that are mounted only while something is done there.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::machine::Machine;
use crate::program::{output, run};
use crate::slot;

use super::starting::FirmwareError;

/// Mounts the partition of the system's disk that is called `name`, has `act` work on it, and unmounts it: everything is
/// durable then.
pub fn with_partition<T>(
    machine: &Machine,
    name: &str,
    options: &str,
    act: impl FnOnce(&Path) -> Result<T, FirmwareError>,
) -> Result<T, FirmwareError> {
    let device = slot::partition(machine, name);
    let device = device.ok_or_else(|| FirmwareError::NoPartition(name.to_owned()))?;
    if options.contains("rw") {
        // A power cut may have left clusters that belong to no file. It fixes what it can, and mount refuses the rest.
        output(
            "fsck.vfat",
            Command::new("fsck.vfat").arg("-a").arg(&device),
        )?;
    }
    let mount_point = machine.run("mounted").join(name);
    run("mkdir", [OsStr::new("-p"), mount_point.as_os_str()])?;
    let arguments = [OsStr::new("-o"), OsStr::new(options)];
    let paths = [device.as_os_str(), mount_point.as_os_str()];
    run("mount", arguments.into_iter().chain(paths))?;
    let done = act(&mount_point);
    run("umount", [mount_point.as_os_str()])?;
    done
}
