//! What runs, what is started next, and what became of the last update.

use serde::Serialize;

use crate::firmware::{self, FirmwareError};
use crate::machine::{Machine, read_line};
use crate::slot::Slot;

use super::record::{Content, Outcome, Record, RecordError};

/// The slots of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The version that runs.
    pub version: String,
    /// The slot that it runs from.
    pub running: Slot,
    /// The slot that is started next; another one than the running while that is on trial.
    pub default: Slot,
    /// What the slot that does not run holds.
    pub other: Content,
    /// What became of the last update.
    pub last_update: Outcome,
}

/// Why it is unknown.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// This is no node.
    #[error("this machine was not started from a node image")]
    NoImage,
    /// The firmware does not say.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
    /// The record does not.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Looks.
pub fn status(machine: &Machine) -> Result<Status, StatusError> {
    let running = Slot::running(machine).ok_or(StatusError::NoImage)?;
    let record = Record::load(machine)?;
    Ok(Status {
        version: read_line(&machine.path("/usr/lib/hayrack/version")).unwrap_or_default(),
        running,
        default: firmware::of(machine).default()?,
        other: record.content(running.other()).clone(),
        last_update: record.outcome,
    })
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "Slot {} runs, version {}", self.running, self.version)?;
        if self.running == self.default {
            writeln!(out, "It is started next, too")?;
        } else {
            writeln!(
                out,
                "It is on trial: until it is confirmed, slot {} is started next",
                self.default
            )?;
        }
        match &self.other {
            Content::Unknown => writeln!(out, "The other slot holds what the image was made with")?,
            Content::Incomplete => writeln!(
                out,
                "The other slot holds an update that was not written to its end"
            )?,
            Content::Whole(version) => writeln!(out, "The other slot holds version {version}")?,
        }
        match &self.last_update {
            Outcome::None => write!(out, "There was no update"),
            Outcome::Written(version) => {
                write!(
                    out,
                    "The update to {version} is written; hayrack-update try starts it"
                )
            }
            Outcome::Trial(version) => {
                write!(
                    out,
                    "The update to {version} is started once, and not confirmed"
                )
            }
            Outcome::Confirmed(version) => write!(out, "The update to {version} came up"),
            Outcome::RolledBack(version) => write!(
                out,
                "The update to {version} did not come up, or was taken back"
            ),
        }
    }
}
