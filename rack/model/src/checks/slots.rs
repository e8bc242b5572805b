//! Slots of the mount and ports of the switch: enough of them, and one for each.

use super::{Checked, Conflict, repeated};
use crate::place::Place;

/// Every conflict about them.
pub fn conflicts(checked: &Checked<'_>) -> Vec<Conflict> {
    let mut found = Vec::new();
    let rack = checked.rack;
    if rack.nodes.is_empty() {
        let sentence = "a rack without a node stores nothing; write a [[node]] with name, slot, model and power";
        found.push(Conflict::new(Place::of("node"), sentence));
    }
    let slots = rack.mount.units.slots();
    for (index, node) in rack.nodes.iter().enumerate() {
        if !(1..=slots).contains(&node.slot) {
            let sentence = format!(
                "{} is in slot {}; a mount of {} rack units has slots 1 to {slots}; write one of these",
                node.name,
                node.slot,
                u8::from(rack.mount.units)
            );
            found.push(Conflict::new(checked.node(index, "slot"), sentence));
        }
    }
    for (index, earlier) in repeated(&rack.nodes, |node| Some(node.slot)) {
        let (own, other) = (&rack.nodes[index], &rack.nodes[earlier]);
        let sentence = format!(
            "{} and {} are both in slot {}; write another slot",
            own.name, other.name, own.slot
        );
        found.push(Conflict::new(checked.node(index, "slot"), sentence));
    }
    found.extend(ports(checked));
    found
}

fn ports(checked: &Checked<'_>) -> Option<Conflict> {
    let needed = checked.rack.nodes.len() + 1;
    let ports = usize::from(checked.rack.switch.ports);
    if ports >= needed {
        return None;
    }
    let sentence = format!(
        "the switch has {ports} ports for {needed} cables, one of each node and the router's; write those of a \
         switch with {needed} at least"
    );
    Some(Conflict::new(Place::of("switch").key("ports"), sentence))
}
