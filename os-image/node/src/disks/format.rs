//! Makes a disk this node's.

use std::io;
use std::path::Path;

use crate::durable;
use crate::machine::Machine;
use crate::program::{ProgramError, run};

use super::content::{Owner, label};
use super::disk::Disk;
use super::file_system::{mount, unmount};
use super::intent;

/// Why a disk was not formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The state partition did not take what is about to be done.
    #[error("cannot record on the state partition what is being formatted: {0}")]
    Intent(io::Error),
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The new file system did not take its owner.
    #[error("cannot write to the new file system: {0}")]
    Owner(io::Error),
}

/// Formats a disk as this number of the node's and leaves it unmounted.
///
/// The intent is durable before the first byte of the disk changes, and is dropped when its owner is durable on it. In
/// between the disk is formatted anew, whatever is found on it.
pub fn format(
    machine: &Machine,
    disk: &Disk,
    number: u8,
    owner: &Owner,
) -> Result<(), FormatError> {
    intent::begin(machine, &disk.id).map_err(FormatError::Intent)?;
    let device = disk.device();
    make_file_system(&device, number)?;
    let scratch = machine.run("formatting");
    mount(&device, &scratch)?;
    let written = toml::to_string(owner).map_err(io::Error::other);
    let written =
        written.and_then(|text| durable::replace(&scratch.join(Owner::FILE), text.as_bytes()));
    unmount(&scratch)?;
    written.map_err(FormatError::Owner)?;
    intent::end(machine).map_err(FormatError::Intent)
}

/// Extents are files of 64 MiB, so one inode a MiB is plenty; nothing is kept back for root.
fn make_file_system(device: &Path, number: u8) -> Result<(), ProgramError> {
    let label = label(number);
    let device = device.to_string_lossy();
    let arguments = [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-T",
        "largefile",
        "-m",
        "0",
        "-L",
        &label,
        &device,
    ];
    run("mke2fs", arguments).map(drop)
}
