//! Whether a rack is whole: every node up, every daemon ready, every volume in sync. Only then may a node be taken out.

use rack_model::Rack;

use crate::machine::{AskError, Machine, on_all};
use crate::reach::Reach;

/// What is missing for the rack to be whole; none if it is.
pub fn missing(rack: &Rack, reach: &dyn Reach) -> Option<String> {
    let views = on_all(rack, reach, |machine| {
        let missing = of_node(rack, machine).unwrap_or_else(|error| Some(error.to_string()));
        missing.map(|missing| format!("{}: {missing}", machine.node.name))
    });
    views.into_iter().flatten().next()
}

/// What is missing, as one node sees it.
fn of_node(rack: &Rack, machine: Machine<'_>) -> Result<Option<String>, AskError> {
    if let Some(reason) = machine.not_serving()? {
        return Ok(Some(reason));
    }
    let members = machine.nodes()?;
    let is_up = |name: &str| {
        members
            .iter()
            .any(|member| member.name == name && member.up)
    };
    if let Some(node) = rack.nodes.iter().find(|node| !is_up(node.name.as_str())) {
        return Ok(Some(format!("it does not see {} up", node.name)));
    }
    let volumes = machine.volumes()?;
    let stale = volumes.iter().find(|volume| !volume.stale.is_empty());
    Ok(stale.map(|volume| format!("the volume {} is not in sync", volume.name)))
}
