//! Whether the switch can feed the nodes that it has to.

use super::{Checked, Conflict};
use crate::node::{Node, PowerSource};
use crate::place::Place;
use crate::switch::PoeClass;
use crate::watts::Watts;

/// Every conflict about it.
pub fn conflicts(checked: &Checked<'_>) -> Vec<Conflict> {
    let nodes = checked.rack.nodes.iter().enumerate();
    let on_poe = nodes.filter(|(_, node)| node.power == PowerSource::Poe);
    let ports = on_poe.filter_map(|(index, node)| {
        let sentence = unfed(node, checked.rack.switch.poe)?;
        Some(Conflict::new(checked.node(index, "power"), sentence))
    });
    ports.chain(budget(checked)).collect()
}

/// Why one port cannot feed the node.
fn unfed(node: &Node, class: PoeClass) -> Option<String> {
    let (name, model, power) = (&node.name, &node.model.name, node.max_watts());
    if node.model.poe_part.is_none() {
        return Some(format!(
            "{name}, a {model}, cannot be fed by PoE; write power = \"supply\""
        ));
    }
    if power <= class.machine_watts() {
        return None;
    }
    let stronger = PoeClass::that_feeds(power).map_or_else(String::new, |class| {
        format!(", or take a switch of {}", class.name())
    });
    Some(format!(
        "{name} takes up to {power} with its disks; {} from a port of {} reach it; write power = \"supply\"{stronger}",
        class.machine_watts(),
        class.name()
    ))
}

/// Whether the switch feeds all of them at one time.
fn budget(checked: &Checked<'_>) -> Option<Conflict> {
    let budget = checked.rack.switch.budget_watts;
    let needed = checked.rack.budget().poe;
    if needed <= budget {
        return None;
    }
    let over: Vec<&str> = beyond(checked.rack.on_poe(), budget)
        .map(|node| node.name.as_str())
        .collect();
    let sentence = format!(
        "the nodes on PoE take up to {needed}, {} more than the switch's {budget}; write power = \"supply\" for {}, \
         or the budget of a switch with {needed}",
        needed - budget,
        over.join(", ")
    );
    Some(Conflict::new(
        Place::of("switch").key("budget_watts"),
        sentence,
    ))
}

/// The nodes that do not fit any more when the budget is given out slot by slot.
fn beyond<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    budget: Watts,
) -> impl Iterator<Item = &'a Node> {
    let mut given = Watts::default();
    nodes.filter(move |node| {
        let fits = given + node.max_watts() <= budget;
        if fits {
            given = given + node.max_watts();
        }
        !fits
    })
}
