//! Where a change of all nodes stopped, why, and what to do then.

use std::io;
use std::time::Duration;

use crate::machine::AskError;

/// Why a change did not come to its end: a node did not come through.
#[derive(Debug, thiserror::Error)]
#[error(
    "stopped at {node}: {reason}\nDone: {}. Not yet: {}.\n{}", list(.done), list(.left), .reason.state(self)
)]
pub struct Stopped {
    /// The node.
    pub node: String,
    /// What it was to have.
    pub has: String,
    /// What helps if it does not come back.
    pub cure: &'static str,
    /// Where, and why.
    pub reason: StepError,
    /// The nodes that have it.
    pub done: Vec<String>,
    /// Those that were not touched.
    pub left: Vec<String>,
}

/// Where a node's change stopped, and why.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Before anything was done to the node.
    #[error("the rack is not whole, and no node may be taken out of it: {0}")]
    NotWhole(String),
    /// Before it was taken out of service.
    #[error("it could not be brought there: {0}")]
    Bring(String),
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
        "it came back with {found}: what was brought did not come up there, and was taken back"
    )]
    TakenBack {
        /// What it has.
        found: String,
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
    Print(#[from] io::Error),
}

impl StepError {
    /// In which state the node is then, and what to do.
    fn state(&self, stopped: &Stopped) -> String {
        let (node, has) = (&stopped.node, &stopped.has);
        match self {
            Self::NotWhole(_) | Self::Bring(_) | Self::Ask(_) | Self::Print(_) => {
                format!(
                    "{node} serves as before. `rack check` says what is wrong; then give the same command again."
                )
            }
            Self::Drain(_) | Self::Restart(_) => format!(
                "{node} runs as before, and its server takes no buckets: `s3d drain --cancel` on it lets it. Then give \
                 the same command again."
            ),
            Self::Gone(_) => format!(
                "The others serve. Look at {node}'s screen. {} Then give the same command again.",
                stopped.cure
            ),
            Self::TakenBack { found } => format!(
                "{node} has {found}, and serves. Look at `journalctl -b -1` on it before you give the same command again."
            ),
            Self::Undrain(_) => format!(
                "{node} takes no buckets: `s3d drain --cancel` on it lets it. {} Then give the same command again.",
                stopped.cure
            ),
            Self::Broken(..) => format!(
                "{node} has {has}. `rack check` says what is wrong; `s3d drain --cancel` on it lets it take \
                 buckets. Then give the same command again: it goes on with the next node."
            ),
        }
    }
}

fn list(nodes: &[String]) -> String {
    if nodes.is_empty() {
        "none".to_owned()
    } else {
        nodes.join(", ")
    }
}
