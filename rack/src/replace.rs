//! `rack replace`: another machine takes the place of a node. Each step may be repeated, so that a command that was
//! interrupted is simply given again.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use rack_model::NoMac;
use rack_model::names::Label;
use volumed_client::admin::NodeInfo;

use crate::call::{Call, OpenError};
use crate::machine::{AskError, Machine};
use crate::reach::{self, ReachBy};
use crate::secrets::{SealError, Vault};
use crate::{member, print};

/// A week, the longest that a token may live: the new machine may have to be bought.
const TOKEN_HOURS: u8 = 168;

const AFTER: &str = "\
Write the new machine's MAC into rack.toml first. The old node is removed from the cluster for good: its key counts no
more, and the others make up for the copies that it had. The token with which the new machine joins is kept as the
secret join-NODE, for its image; giving the command again makes a new one.";

/// Which node.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ReplaceArgs {
    /// The node's name in rack.toml
    node: Label,
    /// Remove it although it is up, or its disks hold what no other disk has, and lose that
    #[arg(long)]
    accept_loss: bool,
    /// For how many seconds to wait before the token is made: the cluster forgets those that it makes within 90 s of a
    /// removal, since the removed node may have made them
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    settle: u64,
}

/// Why a node was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// No such node.
    #[error("no node is called {0}; `rack show` lists all")]
    Unknown(Label),
    /// The new machine could not find itself in the image.
    #[error(transparent)]
    NoMac(#[from] NoMac),
    /// Nobody is there to be asked.
    #[error(
        "no other node answers, and one has to remove {node} and let the new machine in: {why}"
    )]
    NobodyElse {
        /// The node.
        node: Label,
        /// What the last one said.
        why: String,
    },
    /// It was not removed.
    #[error("{0}; --accept-loss removes it all the same")]
    NotRemoved(AskError),
    /// There is no token.
    #[error(
        "{0} is removed, but there is no token for the new machine yet: {1}; give the same command again"
    )]
    NoToken(Label, AskError),
    /// The token cannot be kept.
    #[error("the token cannot be kept: {0}; give the same command again")]
    Seal(#[from] SealError),
    /// The old node's key is still trusted.
    #[error("cannot drop {0}'s key from {file}: {1}", file = crate::reach::KNOWN_HOSTS)]
    KnownHosts(Label, io::Error),
    /// It cannot be printed.
    #[error("cannot print how far it is: {0}")]
    Print(#[from] io::Error),
}

/// `rack replace`
pub fn run(call: &Call, by: &ReachBy, args: &ReplaceArgs) -> Result<(), ReplaceError> {
    let rack = call.rack()?;
    let file = call.path()?;
    let name = &args.node;
    let node = rack
        .node(name.as_str())
        .ok_or_else(|| ReplaceError::Unknown(name.clone()))?;
    let mac = node.known_mac()?;
    let reach = reach::open(by, &file);
    let others = rack.nodes.iter().filter(|other| other.name != node.name);
    let (other, members) =
        member::first(others, &*reach).map_err(|why| ReplaceError::NobodyElse {
            node: name.clone(),
            why,
        })?;
    remove(other, &members, args)?;
    reach::forget(&file, name.as_str())
        .map_err(|error| ReplaceError::KnownHosts(name.clone(), error))?;
    print::text(&format!("the token is made in {} s", args.settle))?;
    sleep(Duration::from_secs(args.settle));
    let token = other
        .join_token(TOKEN_HOURS)
        .map_err(|error| ReplaceError::NoToken(name.clone(), error))?;
    let secret: Label = format!("join-{name}")
        .parse()
        .unwrap_or_else(|_| name.clone());
    Vault::beside(&file).set(&secret, token.token.as_bytes(), &rack.operators)?;
    Ok(print::text(&format!(
        "A token for the new {name} is kept as the secret {secret}; it is good once, for {TOKEN_HOURS} hours.\n\
         Next: flash {name}'s image for the machine with the MAC {mac}, put it into slot {}, and start it. \
         It joins by itself; `rack status` shows when it is up.",
        node.slot
    ))?)
}

fn remove(
    other: Machine<'_>,
    members: &[NodeInfo],
    args: &ReplaceArgs,
) -> Result<(), ReplaceError> {
    let name = args.node.as_str();
    if !members.iter().any(|member| member.name == name) {
        return Ok(print::text(&format!("{name} is in the cluster no more"))?);
    }
    other
        .remove_node(name, args.accept_loss)
        .map_err(ReplaceError::NotRemoved)?;
    Ok(print::text(&format!("{name} is removed from the cluster"))?)
}
