//! What differs between two nodes' settings, line by line.

use std::collections::BTreeSet;

use serde::Serialize;
use toml::{Table, Value};

/// What changes: lines like `s3d.s3_listen = "0.0.0.0:443"`, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What is no more.
    pub removed: Vec<String>,
    /// What is new.
    pub added: Vec<String>,
}

impl Difference {
    /// From the one to the other.
    pub fn between(current: &Table, wanted: &Table) -> Self {
        let (current, wanted) = (lines(current), lines(wanted));
        Self {
            removed: current.difference(&wanted).cloned().collect(),
            added: wanted.difference(&current).cloned().collect(),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// For people: a sign before each line, and what a line becomes below it.
    pub fn text(&self) -> String {
        let removed = self.removed.iter().map(|line| (line, '-'));
        let added = self.added.iter().map(|line| (line, '+'));
        let mut lines: Vec<_> = removed.chain(added).collect();
        lines.sort_by_key(|(line, sign)| (setting(line), *sign == '+'));
        let lines = lines
            .iter()
            .map(|(line, sign)| format!("  {sign} {line}\n"));
        lines.collect()
    }
}

/// What a line is of.
fn setting(line: &str) -> &str {
    line.split(" = ").next().unwrap_or(line)
}

fn lines(table: &Table) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    collect("", table, &mut lines);
    lines
}

fn collect(place: &str, table: &Table, lines: &mut BTreeSet<String>) {
    for (name, value) in table {
        let place = if place.is_empty() {
            name.clone()
        } else {
            format!("{place}.{name}")
        };
        collect_value(&place, value, lines);
    }
}

/// The items of a list are a line each, since their order means nothing; tables in one go by their names.
fn collect_value(place: &str, value: &Value, lines: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => collect(place, table, lines),
        Value::Array(items) => {
            for item in items {
                let name = item.get("name").and_then(Value::as_str);
                let place = name.map_or_else(|| place.to_owned(), |name| format!("{place}.{name}"));
                collect_value(&place, item, lines);
            }
        }
        _ => {
            lines.insert(format!("{place} = {value}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(current: &str, wanted: &str) -> Difference {
        Difference::between(&current.parse().unwrap(), &wanted.parse().unwrap())
    }

    #[test]
    fn what_changed_is_named_with_its_place() {
        let current = "keys = [\"a\", \"b\"]\n[s3d]\nlisten = \":443\"\n[[node]]\nname = \"node-1\"\nmac = \"m1\"\n";
        let wanted = "keys = [\"c\", \"b\"]\n[s3d]\nlisten = \":8443\"\n[[node]]\nname = \"node-1\"\nmac = \"m2\"\n\
            [[node]]\nname = \"node-2\"\nmac = \"m3\"\n";
        let difference = between(current, wanted);
        assert_eq!(
            difference.text(),
            "  - keys = \"a\"\n  + keys = \"c\"\n  - node.node-1.mac = \"m1\"\n  + node.node-1.mac = \"m2\"\n  \
             + node.node-2.mac = \"m3\"\n  + node.node-2.name = \"node-2\"\n  - s3d.listen = \":443\"\n  \
             + s3d.listen = \":8443\"\n"
        );
        assert!(!difference.is_empty());
    }

    #[test]
    fn order_is_no_difference() {
        let difference = between(
            "a = 1\nkeys = [\"a\", \"b\"]",
            "keys = [\"b\", \"a\"]\na = 1",
        );
        assert!(difference.is_empty(), "{difference:?}");
    }
}
