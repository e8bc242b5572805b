//! What starts a slot before there is a kernel: UEFI with systemd-boot, or the Pi's own.
//!
//! Both know a slot that is started always, and can be asked to start the other one once. Which one is started always is
//! one letter or digit of a file that lies in one sector, and is overwritten in place: a power cut leaves the old or the
//! new sector.

mod partition;
mod pi;
mod sector;
mod uefi;

use std::io;
use std::path::{Path, PathBuf};

use crate::machine::Machine;
use crate::program::ProgramError;
use crate::slot::Slot;

pub use partition::with_partition;
use pi::Pi;
use uefi::Uefi;

/// Why the firmware was not asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// A file cannot be used.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not say which slot is started.
    #[error("{} does not say which slot is started: write the image to this disk anew", .0.display())]
    Unclear(PathBuf),
    /// A partition of the image is missing.
    #[error("this system's disk has no partition {0}: write the image to it anew")]
    NoPartition(String),
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// How slots are started.
pub trait Firmware {
    /// The slot that is started always.
    fn default(&self) -> Result<Slot, FirmwareError>;

    /// Makes a slot the one that is started always.
    fn set_default(&self, slot: Slot) -> Result<(), FirmwareError>;

    /// Puts what starts a slot where the firmware finds it, from the slot's own root, mounted at `root`.
    fn install(&self, slot: Slot, root: &Path) -> Result<(), FirmwareError>;

    /// Starts the machine anew with a slot, once: the start after that is with the default.
    fn try_once(&self, slot: Slot) -> Result<(), FirmwareError>;
}

/// The firmware of this machine.
pub fn of(machine: &Machine) -> Box<dyn Firmware> {
    if machine.path("/sys/firmware/efi").exists() {
        Box::new(Uefi::new(machine.clone()))
    } else {
        Box::new(Pi::new(machine.clone()))
    }
}

/// The kernel's command line of a slot, from its root: `@slot@` stands for the slot's letter.
fn command_line(root: &Path, slot: Slot) -> Result<String, FirmwareError> {
    let path = root.join("usr/lib/hayrack/cmdline");
    let text =
        std::fs::read_to_string(&path).map_err(|source| FirmwareError::File { path, source })?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    Ok(lines.join(" ").replace("@slot@", &slot.to_string()))
}

/// Starts the machine anew with the default.
pub fn restart() -> Result<(), FirmwareError> {
    crate::program::run("systemctl", ["reboot"])?;
    Ok(())
}
