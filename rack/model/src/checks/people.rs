//! Operators and guests.

use super::{Checked, Conflict, repeated};
use crate::near;
use crate::place::Place;

/// Every conflict about them.
pub fn conflicts(checked: &Checked<'_>) -> Vec<Conflict> {
    let mut found = Vec::new();
    let operators = &checked.rack.operators;
    if operators.is_empty() {
        let sentence = "nobody could log in; write an [[operator]] with name and ssh = \"ssh-ed25519 AAAA… name\"";
        found.push(Conflict::new(Place::of("operator"), sentence));
    }
    for (index, _) in repeated(operators, |operator| Some(operator.name.clone())) {
        let sentence = format!(
            "two operators are called {}; write another name",
            operators[index].name
        );
        found.push(Conflict::new(
            Place::of("operator").index(index).key("name"),
            sentence,
        ));
    }
    found.extend(forge(checked));
    found
}

fn forge(checked: &Checked<'_>) -> Option<Conflict> {
    let wanted = checked.rack.forge.as_ref()?.node.as_str();
    if checked.rack.node(wanted).is_some() {
        return None;
    }
    let names: Vec<&str> = checked
        .rack
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect();
    let proposal = near::proposal(wanted, &names);
    let sentence = format!("no node is called {wanted:?}; {proposal}");
    Some(Conflict::new(Place::of("forge").key("node"), sentence))
}
