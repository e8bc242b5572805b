//! `rack parts`: what to buy, and what it takes in power and gives off in heat.

use std::fmt::Write as _;

use rack_model::budget::Budget;
use rack_model::models::Boot;
use rack_model::{Node, PoeClass, PowerSource, Rack, Watts};
use rack_mount::{Layout, LayoutError, fasteners};
use serde::Serialize;
use volumed_core::size;

use crate::call::{Call, OpenError};
use crate::print;
use crate::table::columns;

/// Why nothing is listed.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// There is no mount for it.
    #[error("{0}")]
    Mount(#[from] LayoutError),
    /// It cannot be printed.
    #[error("cannot print the list: {0}")]
    Print(#[from] std::io::Error),
}

/// `rack parts`
pub fn run(call: &Call) -> Result<(), PartsError> {
    let rack = call.rack()?;
    let list = List::of(&rack)?;
    Ok(print::answer(call.json, &list, || shown(&rack, &list))?)
}

/// What to buy.
#[derive(Debug, PartialEq, Serialize)]
struct List {
    parts: Vec<Part>,
    budget: Budget,
    /// The heat of all machines at full load, in BTU an hour; the switch's own is not in it.
    heat_btu_per_hour: f64,
}

/// So many of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Part {
    count: usize,
    what: String,
}

impl List {
    fn of(rack: &Rack) -> Result<Self, LayoutError> {
        let budget = rack.budget();
        Ok(Self {
            heat_btu_per_hour: budget.total().btu_per_hour(),
            parts: parts(rack)?,
            budget,
        })
    }
}

fn parts(rack: &Rack) -> Result<Vec<Part>, LayoutError> {
    let mut counted = Counted::default();
    for node in &rack.nodes {
        of_node(node, &mut counted);
    }
    counted.add(1, format!("{}, as the router", rack.router.model.title));
    counted.add(1, "supply and boot medium for the router");
    counted.add(1, switch(rack));
    counted.add(
        rack.nodes.len() + 1,
        "patch cable, 0.5 m, Cat 5e or better, to the switch",
    );
    counted.add(1, "patch cable for the uplink, as long as it has to be");
    counted.add(1, "printed mount: `rack mount --list` has its parts");
    for fastener in fasteners(&Layout::new(rack)?) {
        counted.add(
            fastener.count,
            format!("{}: {}", fastener.name, fastener.purpose),
        );
    }
    Ok(counted.0)
}

fn of_node(node: &Node, counted: &mut Counted) {
    let model = node.model;
    counted.add(1, &model.title);
    match (node.power, &model.poe_part) {
        (PowerSource::Poe, Some(part)) => counted.add(1, part),
        _ => counted.add(1, &model.supply_part),
    }
    counted.add(
        1,
        match model.boot {
            Boot::RaspberryPi => "microSD card, 16 GB, to start from",
            Boot::Uefi => "USB stick or eMMC, 16 GB, to start from",
        },
    );
    for disk in &node.disks {
        counted.add(
            1,
            format!("{}, {}", disk.model.title, size::display(disk.capacity.0)),
        );
        counted.add(1, &disk.model.adapter_part);
    }
}

fn switch(rack: &Rack) -> String {
    let switch = &rack.switch;
    match switch.poe {
        PoeClass::None => format!("switch, 1 Gbit/s, {} ports", switch.ports),
        class => format!(
            "PoE switch, 1 Gbit/s, {} ports of {}, {} in all",
            switch.ports,
            class.name(),
            switch.budget_watts
        ),
    }
}

/// Parts in the order in which they were first needed.
#[derive(Default)]
struct Counted(Vec<Part>);

impl Counted {
    fn add(&mut self, count: usize, what: impl Into<String>) {
        let what = what.into();
        match self.0.iter_mut().find(|part| part.what == what) {
            Some(part) => part.count += count,
            None => self.0.push(Part { count, what }),
        }
    }
}

fn shown(rack: &Rack, list: &List) -> String {
    let rows = list
        .parts
        .iter()
        .map(|part| vec![part.count.to_string(), part.what.clone()]);
    let mut text = columns(&["COUNT", "PART"], &[0], rows);
    text.push_str("\n\n");
    text.push_str(&budget(rack, &list.budget));
    text
}

fn budget(rack: &Rack, budget: &Budget) -> String {
    let share = |what: &str, power: Watts| {
        vec![
            what.to_owned(),
            power.to_string(),
            format!("{:.0} BTU/h", power.btu_per_hour()),
        ]
    };
    let classes = budget.by_class.iter();
    let mut rows: Vec<Vec<String>> = classes
        .map(|fed| {
            share(
                &format!("{} nodes on {}", fed.nodes, fed.class.name()),
                fed.power,
            )
        })
        .collect();
    if budget.supplies > Watts::default() {
        rows.push(share("nodes with a supply", budget.supplies));
    }
    rows.push(share("router", budget.router));
    rows.push(share("all", budget.total()));
    let mut text = columns(&["AT FULL LOAD", "POWER", "HEAT"], &[1, 2], rows);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\nThe switch feeds up to {}, of which {} are left; its own consumption is not in this list.",
        budget.switch,
        budget.switch - budget.poe
    );
    if rack.nodes.iter().any(|node| node.model.watts.estimate) {
        text.push_str("\nSome of these powers are estimates: rack/model/models.toml says which, and on what grounds.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attic() -> Rack {
        Rack::parse("rack.toml", include_str!("../rack.toml")).unwrap()
    }

    fn count(list: &List, what: &str) -> usize {
        let part = list.parts.iter().find(|part| part.what.contains(what));
        part.map_or(0, |part| part.count)
    }

    #[test]
    fn every_node_brings_its_parts() {
        let list = List::of(&attic()).unwrap();
        assert_eq!(count(&list, "Raspberry Pi 5, 8 GB"), 3);
        assert_eq!(count(&list, "PoE+ HAT for Raspberry Pi 5"), 3);
        assert_eq!(count(&list, "2.5-inch SATA SSD"), 3);
        assert_eq!(count(&list, "screw M2.5"), 12);
        assert_eq!(count(&list, "printed mount"), 1);
        assert_eq!(count(&list, "0.5 m"), 4);
        assert_eq!(count(&list, "8 ports of 802.3at, 120 W"), 1);
    }

    #[test]
    fn power_and_heat_are_summed() {
        let rack = attic();
        let text = shown(&rack, &List::of(&rack).unwrap());
        assert!(text.contains("3 nodes on 802.3at"), "{text}");
        assert!(text.contains("49.5 W"), "{text}");
        // 55.9 W at 3.412 BTU/h.
        assert!(text.contains("191 BTU/h"), "{text}");
        assert!(
            text.contains("up to 120 W, of which 70.5 W are left"),
            "{text}"
        );
    }
}
