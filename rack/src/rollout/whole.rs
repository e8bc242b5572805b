//! Whether a rack is whole: every node up, every daemon ready, every volume in sync, no replica yet to be made. Only then may a
//! node be taken out.

use rack_model::{Node, Rack};
use volumed_client::admin::VolumeInfo;

use crate::machine::{AskError, Machine, on_all};
use crate::reach::Reach;

/// What is missing for the rack to be whole; none if it is.
pub fn missing(rack: &Rack, reach: &dyn Reach) -> Option<String> {
    first(on_all(rack, reach, |machine| {
        said(machine, of_node(rack, machine, None))
    }))
}

/// What is missing for the rack to be whole without a node that itself may serve no requests; none if it is. Such a node can
/// be started anew: nothing is taken out that served, and no volume that it has needs it.
pub fn missing_beside(rack: &Rack, reach: &dyn Reach, node: &Node) -> Option<String> {
    first(on_all(rack, reach, |machine| {
        if machine.node.name == node.name {
            // Whether volumed runs there or not.
            return said(machine, Ok(out_of_sync(machine).unwrap_or_default()));
        }
        said(machine, of_node(rack, machine, Some(node)))
    }))
}

fn first(views: Vec<Option<String>>) -> Option<String> {
    views.into_iter().flatten().next()
}

fn said(machine: Machine<'_>, missing: Result<Option<String>, AskError>) -> Option<String> {
    let missing = missing.unwrap_or_else(|error| Some(error.to_string()));
    missing.map(|missing| format!("{}: {missing}", machine.node.name))
}

/// What is missing, as one node sees it; `without` is not looked for.
fn of_node(
    rack: &Rack,
    machine: Machine<'_>,
    without: Option<&Node>,
) -> Result<Option<String>, AskError> {
    if let Some(reason) = machine.not_serving()? {
        return Ok(Some(reason));
    }
    let members = machine.nodes()?;
    let is_up = |name: &str| {
        members
            .iter()
            .any(|member| member.name == name && member.up)
    };
    let mut wanted = rack
        .nodes
        .iter()
        .filter(|node| without.is_none_or(|without| without.name != node.name));
    if let Some(node) = wanted.find(|node| !is_up(node.name.as_str())) {
        return Ok(Some(format!("it does not see {} up", node.name)));
    }
    out_of_sync(machine)
}

/// A volume that can spare no node, as far as this one knows.
fn out_of_sync(machine: Machine<'_>) -> Result<Option<String>, AskError> {
    Ok(machine.volumes()?.iter().find_map(what_lacks))
}

fn what_lacks(volume: &VolumeInfo) -> Option<String> {
    let name = &volume.name;
    if !volume.stale.is_empty() {
        return Some(format!("the volume {name} is not in sync"));
    }
    let lacking = volume.lacking.filter(|count| *count > 0)?;
    Some(format!(
        "{lacking} replicas of the volume {name} are yet to be made"
    ))
}
