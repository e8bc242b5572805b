//! `rack status`: the rack as it is now, as a table or a picture.

mod picture;
mod state;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use rack_model::Rack;
use volumed_core::size;

use crate::call::{Call, OpenError};
use crate::machine::on_all;
use crate::reach::{self, ReachBy};
use crate::{print, table};
use state::{Health, NodeState, RackState};

/// How the rack is shown.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Draw it as an SVG, too
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The picture cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be printed.
    #[error("cannot print the state: {0}")]
    Print(#[from] io::Error),
}

/// `rack status`: whether everything serves.
pub fn run(call: &Call, by: &ReachBy, args: &StatusArgs) -> Result<bool, StatusError> {
    let rack = call.rack()?;
    let reach = reach::open(by, &call.path()?);
    let views = on_all(&rack, &*reach, state::view);
    let state = RackState::of(&rack, views);
    if let Some(path) = &args.picture {
        let written = fs::write(path, picture::draw(&rack, &state, &summary(&rack, &state)));
        written.map_err(|source| StatusError::Picture {
            path: path.clone(),
            source,
        })?;
    }
    print::answer(call.json, &state, || shown(&rack, &state))?;
    Ok(state.nodes.iter().all(|node| node.health == Health::Up))
}

fn shown(rack: &Rack, state: &RackState) -> String {
    let header = [
        "SLOT", "NODE", "STATE", "DISKS", "USED", "CAPACITY", "VOLUMES",
    ];
    let mut text = table::columns(&header, &[0, 3, 4, 5, 6], state.nodes.iter().map(row));
    for node in &state.nodes {
        if let Some(reason) = node.health.reason() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{} is {}: {reason}", node.name, node.health);
        }
    }
    format!("{text}\n{}", summary(rack, state))
}

/// The rack in one line.
fn summary(rack: &Rack, state: &RackState) -> String {
    let up = state.nodes.iter().filter(|node| node.health == Health::Up);
    let stale = match state.stale_volumes {
        None => "nothing is known of its volumes".to_owned(),
        Some(0) => "all volumes in sync".to_owned(),
        Some(stale) => format!("{stale} volumes not in sync"),
    };
    format!(
        "{}: {} of {} nodes up, {stale}",
        rack.name,
        up.count(),
        state.nodes.len()
    )
}

fn row(node: &NodeState) -> Vec<String> {
    let disks = node.disks.as_deref().unwrap_or_default();
    let sum = |bytes: fn(&state::DiskFill) -> u64| size::display(disks.iter().map(bytes).sum());
    let (used, capacity) = if node.disks.is_some() {
        (sum(|disk| disk.used), sum(|disk| disk.capacity))
    } else {
        ("-".to_owned(), "-".to_owned())
    };
    vec![
        node.slot.to_string(),
        node.name.clone(),
        node.health.to_string(),
        disks.iter().filter(|disk| disk.online).count().to_string(),
        used,
        capacity,
        node.served
            .map_or_else(|| "-".to_owned(), |served| served.to_string()),
    ]
}
