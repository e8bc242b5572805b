//! What every firmware does, and what it may not do.

use std::io;
use std::path::{Path, PathBuf};

use crate::program::{ProgramError, run};
use crate::slot::Slot;

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

/// The kernel's command line of a slot, from its root: `@slot@` stands for the slot's letter.
pub fn command_line(root: &Path, slot: Slot) -> Result<String, FirmwareError> {
    let path = root.join("usr/lib/hayrack/cmdline");
    let text =
        std::fs::read_to_string(&path).map_err(|source| FirmwareError::File { path, source })?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    Ok(lines.join(" ").replace("@slot@", &slot.to_string()))
}

/// Starts the machine anew with the default.
pub fn restart() -> Result<(), FirmwareError> {
    run("systemctl", ["reboot"])?;
    Ok(())
}
