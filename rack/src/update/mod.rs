//! `rack update`: brings all nodes to one version, one after the other, and stops at the first that does not come back
//! whole. Given again, it goes on where it stopped.

mod rollout;
mod source;
mod whole;

use std::io;
use std::time::Duration;

use clap::Args;
use rack_model::Rack;

use crate::call::{Call, OpenError};
use crate::machine::Machine;
use crate::print;
use crate::reach::{self, Reach, ReachBy};
use rollout::{Rollout, StepError};
use source::{Source, SourceError};

const AFTER: &str = "\
Each node in turn: the update is written into its other slot, its server gives its buckets to the others, it is started
anew, and must come back with the new version, as a member that is up, ready, and with every volume in sync. A node
that has the version already is passed over. The update's manifest is an update.toml, as `rack image` makes it, with
the root beside it.";

/// What to update to.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct UpdateArgs {
    /// The update's manifest: a file here, or an http or https address that the nodes reach
    source: Source,
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
    /// There is no update.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A node did not come through.
    #[error(
        "stopped at {node}: {source}\nUpdated: {}. Not yet: {}.\n{}",
        list(.updated), list(.left), .source.state(.node)
    )]
    Stopped {
        /// The node.
        node: String,
        /// Where, and why.
        source: Box<StepError>,
        /// The nodes with the new version.
        updated: Vec<String>,
        /// Those that were not touched.
        left: Vec<String>,
    },
    /// It cannot be printed.
    #[error("cannot print how far it is: {0}")]
    Print(#[from] io::Error),
}

fn list(nodes: &[String]) -> String {
    if nodes.is_empty() {
        "none".to_owned()
    } else {
        nodes.join(", ")
    }
}

/// `rack update`
pub fn run(call: &Call, by: &ReachBy, args: &UpdateArgs) -> Result<(), UpdateError> {
    let rack = call.rack()?;
    let reach = reach::open(by, &call.path()?);
    update(&rack, &*reach, args)
}

fn update(rack: &Rack, reach: &dyn Reach, args: &UpdateArgs) -> Result<(), UpdateError> {
    let first = Machine::new(&rack.nodes[0], reach);
    let version = args.source.version(first)?;
    let rollout = Rollout {
        rack,
        reach,
        source: &args.source,
        version: &version,
        patience: Duration::from_secs(args.patience),
    };
    for (index, node) in rack.nodes.iter().enumerate() {
        let names =
            |nodes: &[rack_model::Node]| nodes.iter().map(|node| node.name.to_string()).collect();
        rollout.update(node).map_err(|error| UpdateError::Stopped {
            node: node.name.to_string(),
            source: Box::new(error),
            updated: names(&rack.nodes[..index]),
            left: names(&rack.nodes[index + 1..]),
        })?;
    }
    Ok(print::text(&format!(
        "All {} nodes run version {version}",
        rack.nodes.len()
    ))?)
}
