//! `rack update`: brings all nodes to one version, one after the other, and stops at the first that does not come back
//! whole. Given again, it goes on where it stopped.

mod fitting;
mod source;

use std::io;
use std::time::Duration;

use clap::Args;
use rack_model::Node;

use crate::call::{Call, OpenError};
use crate::machine::{AskError, Machine};
use crate::print;
use crate::reach::{self, ReachBy};
use crate::rollout::{CameBack, Change, Rollout, Stopped};
use fitting::{Fitting, FittingError};
use source::{Source, SourceError};

const AFTER: &str = "\
Each node in turn: the update is written into its other slot, its server gives its buckets to the others, it is started
anew, and must come back with the new version, as a member that is up, ready, and with every volume in sync. A node
that has the version already is passed over. The update's manifest is an update.toml, as `rack image` makes it, with
the root beside it. A rack with machines of two kinds takes the manifests of both.";

/// What to update to.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct UpdateArgs {
    /// The update's manifest: a file here, or an http or https address that the nodes reach; one for each kind of machine
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<Source>,
    /// For how many seconds a node may be on its way back
    #[arg(long, value_name = "SECONDS", default_value_t = 1200)]
    patience: u64,
}

/// Why the update did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The updates do not fit the rack.
    #[error(transparent)]
    Fitting(#[from] FittingError),
    /// A node did not come through.
    #[error(transparent)]
    Stopped(#[from] Box<Stopped>),
    /// It cannot be printed.
    #[error("cannot print how far it is: {0}")]
    Print(#[from] io::Error),
}

/// `rack update`
pub fn run(call: &Call, by: &ReachBy, args: &UpdateArgs) -> Result<(), UpdateError> {
    let rack = call.rack()?;
    let reach = reach::open(by, &call.path()?);
    let fitting = Fitting::of(&rack, &*reach, &args.sources)?;
    let rollout = Rollout {
        rack: &rack,
        reach: &*reach,
        change: &fitting,
        patience: Duration::from_secs(args.patience),
        is_quiet: false,
    };
    rollout.run()?;
    let count = rack.nodes.len();
    Ok(print::text(&format!("All {count} nodes run {fitting}"))?)
}

impl Change for Fitting<'_> {
    fn name(&self, node: &Node) -> String {
        format!("version {}", self.update(node).version)
    }

    fn is_on(&self, machine: Machine<'_>) -> Result<bool, AskError> {
        let status = machine.update_status()?;
        let is_wanted = status.version == self.update(machine.node).version;
        Ok(is_wanted && status.running == status.default)
    }

    fn bring(&self, machine: Machine<'_>) -> Result<(), String> {
        let written = self.write(machine);
        written.map_err(|error| error.to_string())
    }

    fn start(&self, machine: Machine<'_>) -> Result<(), AskError> {
        machine.text(&["hayrack-update", "try"]).map(drop)
    }

    fn came_back(&self, machine: Machine<'_>) -> Option<CameBack> {
        let status = machine.update_status().ok()?;
        if status.running != status.default {
            return None;
        }
        let is_wanted = status.version == self.update(machine.node).version;
        Some(if is_wanted {
            CameBack::Changed
        } else {
            CameBack::Unchanged(format!("version {}", status.version))
        })
    }

    fn cure(&self) -> &'static str {
        "A node that does not start goes back to its old slot by itself within minutes."
    }
}

impl Fitting<'_> {
    fn write(&self, machine: Machine<'_>) -> Result<(), SourceError> {
        let source = self.update(machine.node).source.bring(machine)?;
        machine.text(&["hayrack-update", "apply", &source, "--no-restart"])?;
        Ok(())
    }
}
