//! One node's update, step by step.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rack_model::{Node, Rack};

use super::source::{Source, SourceError};
use super::whole;
use crate::machine::{AskError, Machine};
use crate::print;
use crate::reach::Reach;

const LOOK_EVERY: Duration = Duration::from_secs(3);

/// An update of all nodes.
pub struct Rollout<'a> {
    /// The rack.
    pub rack: &'a Rack,
    /// How its nodes are reached.
    pub reach: &'a dyn Reach,
    /// Where the update is.
    pub source: &'a Source,
    /// Which version it is.
    pub version: &'a str,
    /// How long a node may be on its way back.
    pub patience: Duration,
}

/// Where an update stopped, and why.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Before anything was done to the node.
    #[error("the rack is not whole, and no node may be taken out of it: {0}")]
    NotWhole(String),
    /// Before it was taken out of service.
    #[error("the update could not be written: {0}")]
    Write(SourceError),
    /// While it gave its buckets away.
    #[error("its server could not give its buckets to the others: {0}")]
    Drain(AskError),
    /// It was not started anew.
    #[error("it was not started anew: {0}")]
    Restart(AskError),
    /// It is gone.
    #[error("it did not come back in {0:?}")]
    Gone(Duration),
    /// It came back with what it had.
    #[error(
        "it came back with version {found}, not {wanted}: the update did not come up there, and was taken back"
    )]
    RolledBack {
        /// What runs.
        found: String,
        /// What should.
        wanted: String,
    },
    /// It came back, and something is missing.
    #[error("it came back, but the rack is not whole after {0:?}: {1}")]
    Broken(Duration, String),
    /// It came back, and takes no buckets.
    #[error("it came back, but its server does not take buckets again: {0}")]
    Undrain(AskError),
    /// It cannot be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It cannot be printed.
    #[error("cannot print how far it is: {0}")]
    Print(#[from] std::io::Error),
}

impl StepError {
    /// In which state the node is then, and what to do.
    pub fn state(&self, node: &str) -> String {
        match self {
            Self::NotWhole(_) | Self::Write(_) | Self::Ask(_) | Self::Print(_) => {
                format!(
                    "{node} serves as before. `rack check` says what is wrong; then give the same command again."
                )
            }
            Self::Drain(_) | Self::Restart(_) => format!(
                "{node} runs what it ran, and its server takes no buckets: `s3d drain --cancel` on it lets it. Then give \
                 the same command again."
            ),
            Self::Gone(_) => format!(
                "The others serve. Look at {node}'s screen; a node that does not start goes back to its old slot by \
                 itself within minutes. Then give the same command again."
            ),
            Self::RolledBack { .. } => format!(
                "{node} runs its old version, and its server takes no buckets: `s3d drain --cancel` on it lets it. Look at \
                 `journalctl -b -1` on it before you give the same command again."
            ),
            Self::Broken(..) | Self::Undrain(_) => format!(
                "{node} runs the new version. `rack check` says what is wrong; `s3d drain --cancel` on it lets it take \
                 buckets. Then give the same command again: it goes on with the next node."
            ),
        }
    }
}

impl Rollout<'_> {
    /// Updates a node, unless it has the version already.
    pub fn update(&self, node: &Node) -> Result<(), StepError> {
        let machine = Machine::new(node, self.reach);
        let status = machine.update_status()?;
        if status.version == self.version && status.running == status.default {
            return say(node, &format!("has version {} already", self.version));
        }
        if let Some(missing) = whole::missing(self.rack, self.reach) {
            return Err(StepError::NotWhole(missing));
        }
        say(
            node,
            &format!("runs version {}; the update is written", status.version),
        )?;
        self.write(machine).map_err(StepError::Write)?;
        say(node, "gives its buckets to the others")?;
        machine.drain(false).map_err(StepError::Drain)?;
        self.restart(machine)?;
        self.return_to_service(machine)?;
        self.until_whole(node)?;
        say(node, &format!("is back with version {}", self.version))
    }

    fn write(&self, machine: Machine<'_>) -> Result<(), SourceError> {
        let source = self.source.bring(machine)?;
        machine.text(&["hayrack-update", "apply", &source, "--no-restart"])?;
        Ok(())
    }

    fn restart(&self, machine: Machine<'_>) -> Result<(), StepError> {
        let before = machine.boot_id()?;
        say(machine.node, "is started anew")?;
        match machine.text(&["hayrack-update", "try"]) {
            // It may go down before it has said anything.
            Ok(_) | Err(AskError::Reach(_)) => {}
            Err(error) => return Err(StepError::Restart(error)),
        }
        let back = self.until(|| {
            let status = machine.update_status().ok()?;
            let has_restarted = machine.boot_id().ok()? != before;
            (has_restarted && status.running == status.default).then_some(status)
        });
        let status = back.ok_or(StepError::Gone(self.patience))?;
        if status.version == self.version {
            return Ok(());
        }
        Err(StepError::RolledBack {
            found: status.version,
            wanted: self.version.to_owned(),
        })
    }

    /// Lets its server take buckets again, without which it is never ready. Right after a start the store may not answer.
    fn return_to_service(&self, machine: Machine<'_>) -> Result<(), StepError> {
        let mut refusal = None;
        let taken_back = self.until(|| match machine.drain(true) {
            Ok(()) => Some(()),
            Err(error) => {
                refusal = Some(error);
                None
            }
        });
        match (taken_back, refusal) {
            (None, Some(error)) => Err(StepError::Undrain(error)),
            _ => Ok(()),
        }
    }

    fn until_whole(&self, node: &Node) -> Result<(), StepError> {
        say(node, "runs again; its volumes get in sync")?;
        let mut missing = String::new();
        let whole = self.until(|| match whole::missing(self.rack, self.reach) {
            None => Some(()),
            Some(now) => {
                missing = now;
                None
            }
        });
        whole.ok_or(StepError::Broken(self.patience, missing))
    }

    /// Looks until there is something, or patience has run out; once at least.
    fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let begun = Instant::now();
        loop {
            if let Some(seen) = look() {
                return Some(seen);
            }
            if begun.elapsed() >= self.patience {
                return None;
            }
            sleep(LOOK_EVERY.min(self.patience));
        }
    }
}

fn say(node: &Node, what: &str) -> Result<(), StepError> {
    Ok(print::text(&format!("{}: {what}", node.name))?)
}
