//! `rack show`: the rack slot by slot, as rack.toml describes it.

use rack_model::{Disk, Node, PowerSource, Rack};
use volumed_core::size;

use crate::call::{Call, OpenError};
use crate::print;
use crate::table::columns;

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// It cannot be printed.
    #[error("cannot print the rack: {0}")]
    Print(#[from] std::io::Error),
}

/// `rack show`
pub fn run(call: &Call) -> Result<(), ShowError> {
    let rack = call.rack()?;
    Ok(print::answer(call.json, &rack, || shown(&rack))?)
}

fn shown(rack: &Rack) -> String {
    let slots = columns(
        &["SLOT", "NODE", "MODEL", "ADDRESS", "MAC", "DISKS", "POWER"],
        &[0],
        (1..=rack.mount.units.slots()).map(|slot| row(rack, slot)),
    );
    format!(
        "{} in {}U, S3 at {} and *.{}\n{slots}",
        rack.name,
        u8::from(rack.mount.units),
        rack.s3_host(),
        rack.s3_host()
    )
}

fn row(rack: &Rack, slot: u8) -> Vec<String> {
    let node = rack.nodes.iter().find(|node| node.slot == slot);
    let Some(node) = node else {
        return [slot.to_string(), "-".to_owned()].into();
    };
    let mac = node
        .mac
        .map_or_else(|| "unknown".to_owned(), |mac| mac.to_string());
    vec![
        slot.to_string(),
        node.name.to_string(),
        node.model.name.clone(),
        node.address.to_string(),
        mac,
        disks(&node.disks),
        power(node),
    ]
}

fn disks(disks: &[Disk]) -> String {
    let names = disks
        .iter()
        .map(|disk| format!("{} {}", disk.model.name, size::display(disk.capacity.0)));
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn power(node: &Node) -> String {
    let source = match node.power {
        PowerSource::Poe => "PoE",
        PowerSource::Supply => "supply",
    };
    format!("{source}, up to {}", node.max_watts())
}
