//! The disk that the machine was started from.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::sys::stat::{major, minor};

use crate::machine::Machine;

/// The disk that the state partition is on, as the kernel calls it.
pub fn system_disk(machine: &Machine) -> Option<String> {
    let device = fs::metadata(machine.state()).ok()?.dev();
    let number = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    let partition = fs::canonicalize(machine.path(&number)).ok()?;
    let disk = partition.parent()?;
    // A partition's folder is in its disk's.
    partition
        .join("partition")
        .exists()
        .then(|| Some(disk.file_name()?.to_string_lossy().into_owned()))?
}
