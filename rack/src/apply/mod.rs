//! `rack apply`: brings the settings that rack.toml makes to all nodes, one after the other, and stops at the first that
//! does not come back whole.

mod difference;
mod settings;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use clap::Args;
use os_image::LastSettings;
use rack_model::{Node, Rack};
use serde::Serialize;

use crate::call::{Call, OpenError};
use crate::certificate::{self, LineError};
use crate::machine::{AskError, Machine, on_all};
use crate::print;
use crate::reach::{self, Reach, ReachBy};
use crate::rollout::{CameBack, Change, Rollout, Stopped};
use crate::secrets::{IdentityArgs, Reader, UnsealError, Vault};
use difference::Difference;
pub use settings::{CertificateLine, renewed};
use settings::{RenewError, Renewed};

/// What a node has then.
const SETTINGS: &str = "the settings of rack.toml";
const BEFORE: &str = "the settings that it had before";
const AFTER: &str = "\
A node keeps a copy of what rack.toml says of it: names, addresses and MACs of all nodes, who may log in, and the settings
of its S3 server. After a change of rack.toml this command shows what differs, and has each node that differs start with
the new settings, in turn and in the same way as `rack update`. A node whose daemons do not come up with them goes back
to those of before by itself, and nothing more is changed. The router has a copy, too: `rack router`. Secrets are
read with --identity.";

/// How settings are brought.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ApplyArgs {
    /// Show what differs, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// For how many seconds a node may be on its way back
    #[arg(long, value_name = "SECONDS", default_value_t = 1200)]
    patience: u64,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Why not all nodes have the settings.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// It is unknown which secrets are kept.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// It is unknown how the router comes in.
    #[error(transparent)]
    Line(#[from] LineError),
    /// It is unknown what would change.
    #[error("nothing is changed, since it is unknown what differs: {0}")]
    Renew(#[from] RenewError),
    /// A node did not come through.
    #[error(transparent)]
    Stopped(#[from] Box<Stopped>),
    /// It cannot be printed.
    #[error("cannot print what differs: {0}")]
    Print(#[from] io::Error),
}

/// The new settings of all nodes, by their names.
struct Plan(BTreeMap<String, Renewed>);

/// What changes on a node.
#[derive(Serialize)]
struct Changed<'a> {
    node: &'a str,
    #[serde(flatten)]
    difference: &'a Difference,
}

/// `rack apply`
pub fn run(call: &Call, by: &ReachBy, args: &ApplyArgs) -> Result<(), ApplyError> {
    let (rack, file) = (call.rack()?, call.path()?);
    let line = certificate::line(&rack, &Reader::new(Vault::beside(&file), &args.identity)?)?;
    let reach = reach::open(by, &file);
    let plan = Plan::of(&rack, &*reach, &CertificateLine::Is(line.as_deref()))?;
    let changed = plan.changed();
    print::answer(call.json, &changed, || shown(&rack, &changed, args.dry_run))?;
    if args.dry_run || changed.is_empty() {
        return Ok(());
    }
    let rollout = Rollout {
        rack: &rack,
        reach: &*reach,
        change: &plan,
        patience: Duration::from_secs(args.patience),
        is_quiet: call.json,
    };
    rollout.run()?;
    if call.json {
        return Ok(());
    }
    let count = rack.nodes.len();
    Ok(print::text(&format!("All {count} nodes have {SETTINGS}"))?)
}

fn shown(rack: &Rack, changed: &[Changed<'_>], is_dry: bool) -> String {
    if changed.is_empty() {
        return format!("All {} nodes have {SETTINGS} already", rack.nodes.len());
    }
    let nodes = changed
        .iter()
        .map(|Changed { node, difference }| format!("{node}:\n{}", difference.text()));
    let end = if is_dry {
        "Nothing is changed. Without --dry-run these nodes are started anew, one after the other."
    } else {
        ""
    };
    format!("{}{end}", nodes.collect::<String>())
}

impl Plan {
    fn of(rack: &Rack, reach: &dyn Reach, line: &CertificateLine<'_>) -> Result<Self, RenewError> {
        let plan = on_all(rack, reach, |machine| {
            Ok((machine.node.name.to_string(), renewed(rack, machine, line)?))
        });
        plan.into_iter().collect::<Result<_, _>>().map(Self)
    }

    fn changed(&self) -> Vec<Changed<'_>> {
        let nodes = self.0.iter();
        let changed = nodes.filter(|(_, renewed)| !renewed.difference.is_empty());
        changed
            .map(|(node, renewed)| Changed {
                node,
                difference: &renewed.difference,
            })
            .collect()
    }

    /// The new settings of a node that differs.
    fn renewed(&self, node: &Node) -> Option<&Renewed> {
        let renewed = self.0.get(node.name.as_str());
        renewed.filter(|renewed| !renewed.difference.is_empty())
    }
}

impl Change for Plan {
    fn name(&self, _: &Node) -> String {
        SETTINGS.to_owned()
    }

    fn is_on(&self, machine: Machine<'_>) -> Result<bool, AskError> {
        Ok(self.renewed(machine.node).is_none())
    }

    fn bring(&self, machine: Machine<'_>) -> Result<(), String> {
        let Some(renewed) = self.renewed(machine.node) else {
            return Ok(());
        };
        let input = reach::input(&renewed.text).map_err(|error| error.to_string())?;
        machine.configure(input).map_err(|error| error.to_string())
    }

    fn start(&self, machine: Machine<'_>) -> Result<(), AskError> {
        machine.reboot()
    }

    fn came_back(&self, machine: Machine<'_>) -> Option<CameBack> {
        match machine.last_settings().ok()? {
            LastSettings::Waiting | LastSettings::Trial => None,
            LastSettings::Kept => Some(CameBack::Changed),
            LastSettings::RolledBack => Some(CameBack::Unchanged(BEFORE.to_owned())),
        }
    }

    fn cure(&self) -> &'static str {
        "A node that does not start with these settings goes back to those of before by itself within minutes."
    }
}
