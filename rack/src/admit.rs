//! `rack admit`: lets the nodes of rack.toml that wait into the cluster. Given again, it goes on with those that are
//! not in yet.

use std::io;

use rack_model::Rack;
use rack_model::names::Label;
use volumed_client::admin::NodeInfo;

use crate::call::{Call, OpenError};
use crate::machine::{AskError, Machine};
use crate::reach::{self, Reach, ReachBy};
use crate::{member, print};

/// A node that waits tries every ten seconds.
const TOKEN_HOURS: u8 = 1;

/// Why not all nodes were let in.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// There is no cluster.
    #[error(
        "no node answers as one of a cluster, and the first one makes it by itself: `rack image --found NODE` says \
         which, then that node has to be up. The last one that was asked: {0}"
    )]
    NoCluster(String),
    /// Some were not.
    #[error(
        "{} not let in; give the same command again once they are up:\n{}", were(.0), sentences(.0)
    )]
    NotAll(Vec<(Label, GiveError)>),
    /// It cannot be printed.
    #[error("cannot print how far it is: {0}")]
    Print(#[from] io::Error),
}

/// Why a node did not get a token.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// It, or the one that makes tokens, did not do what it was asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The token cannot be handed on.
    #[error("cannot write a temporary file: {0}")]
    Write(#[from] io::Error),
}

/// `rack admit`
pub fn run(call: &Call, by: &ReachBy) -> Result<(), AdmitError> {
    let rack = call.rack()?;
    let reach = reach::open(by, &call.path()?);
    let (member, members) =
        member::first(rack.nodes.iter(), &*reach).map_err(AdmitError::NoCluster)?;
    let waiting = outside(&rack, &members, &*reach);
    if waiting.is_empty() {
        return Ok(print::text("every node of rack.toml is in the cluster")?);
    }
    let mut failed = Vec::new();
    for machine in waiting {
        let name = &machine.node.name;
        match give(member, machine) {
            Ok(()) => print::text(&format!("{name} has a token, and joins within a minute"))?,
            Err(error) => failed.push((name.clone(), error)),
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(AdmitError::NotAll(failed))
    }
}

fn outside<'a>(rack: &'a Rack, members: &[NodeInfo], reach: &'a dyn Reach) -> Vec<Machine<'a>> {
    let is_member = |name: &str| members.iter().any(|member| member.name == name);
    let nodes = rack.nodes.iter();
    nodes
        .filter(|node| !is_member(node.name.as_str()))
        .map(|node| Machine::new(node, reach))
        .collect()
}

/// The token goes from one node to the other, and is kept nowhere else.
fn give(member: Machine<'_>, machine: Machine<'_>) -> Result<(), GiveError> {
    // Before there is a token that somebody could find.
    machine.boot_id()?;
    let token = member.join_token(TOKEN_HOURS)?.token;
    Ok(machine.admit(reach::input(&token)?)?)
}

fn were(failed: &[(Label, GiveError)]) -> String {
    let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
    let verb = if names.len() == 1 { "was" } else { "were" };
    format!("{} {verb}", names.join(", "))
}

fn sentences(failed: &[(Label, GiveError)]) -> String {
    let sentences: Vec<String> = failed.iter().map(|(_, error)| error.to_string()).collect();
    sentences.join("\n")
}
