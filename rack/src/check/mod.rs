//! `rack check`: compares what is there with rack.toml, and says what is wrong and what to type.

mod probe;
mod rules;

use std::path::Path;

use rack_model::Rack;
use serde::Serialize;
use volumed_client::admin::{Finding, Severity};

use crate::call::{Call, OpenError};
use crate::machine::on_all;
use crate::print;
use crate::reach::{self, ReachBy};
use probe::Probe;

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no rack.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// It cannot be printed.
    #[error("cannot print what was found: {0}")]
    Print(#[from] std::io::Error),
}

/// Something that is wrong, and with which nodes; none when it is the rack's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Found {
    nodes: Vec<String>,
    #[serde(flatten)]
    finding: Finding,
}

/// `rack check`: the exit code is 0 when nothing is wrong, 1 with a fault, 6 with warnings only.
pub fn run(call: &Call, by: &ReachBy) -> Result<u8, CheckError> {
    let rack = call.rack()?;
    let found = examine(&rack, by, &call.path()?);
    print::answer(call.json, &found, || report(&rack, &found))?;
    let findings: Vec<Finding> = found.into_iter().map(|found| found.finding).collect();
    Ok(volumed_daemon::exit_code(&findings))
}

fn examine(rack: &Rack, by: &ReachBy, file: &Path) -> Vec<Found> {
    let reach = reach::open(by, file);
    let probes = on_all(rack, &*reach, |machine| Probe::of(rack, machine));
    let mut found = merge(rules::found(rack, &probes));
    found.sort_by_key(|found| std::cmp::Reverse(found.finding.severity));
    found
}

/// One of each: what several nodes say of the cluster is said once, of all of them.
fn merge(all: Vec<Found>) -> Vec<Found> {
    let mut merged: Vec<Found> = Vec::new();
    for found in all {
        match merged
            .iter_mut()
            .find(|other| other.finding == found.finding)
        {
            Some(other) => other.nodes.extend(found.nodes),
            None => merged.push(found),
        }
    }
    merged
}

fn report(rack: &Rack, found: &[Found]) -> String {
    if found.is_empty() {
        return format!(
            "Nothing is wrong with {} and its {} nodes.",
            rack.name,
            rack.nodes.len()
        );
    }
    let lines = found.iter().map(|Found { nodes, finding }| {
        let severity = match finding.severity {
            Severity::Fault => "FAULT",
            Severity::Warning => "WARNING",
        };
        let of = if nodes.is_empty() {
            String::new()
        } else {
            format!(" on {}", nodes.join(", "))
        };
        format!(
            "{severity} {}{of}: {}\n    {}",
            finding.fault, finding.sentence, finding.cure
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_nodes_say_is_said_once() {
        let found = |node: &str| Found {
            nodes: vec![node.to_owned()],
            finding: Finding::warning("node_down", "It is down.", "Look."),
        };
        let merged = merge(vec![found("a"), found("b")]);
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].nodes, ["a", "b"]);
    }
}
