//! Which update each node takes: the one for machines of its kind.

use std::fmt;

use rack_model::models::Arch;
use rack_model::{Node, Rack};

use super::source::{Manifest, Source, SourceError};
use crate::machine::Machine;
use crate::reach::Reach;

/// An update for machines of one kind.
#[derive(Debug)]
pub struct Update<'a> {
    /// For which machines.
    pub arch: Arch,
    /// Which version it is. Updates of one commit may differ in it: it has a sum over Debian's packages.
    pub version: String,
    /// Where it is.
    pub source: &'a Source,
}

/// An update for each kind of machine in the rack.
#[derive(Debug)]
pub struct Fitting<'a> {
    /// In the order of the slots of the first machines of these kinds.
    updates: Vec<Update<'a>>,
}

/// Why the updates do not fit the rack.
#[derive(Debug, thiserror::Error)]
pub enum FittingError {
    /// One cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is unclear which one is meant.
    #[error("two of the updates are for {0}: name one")]
    Twice(Arch),
    /// One is missing.
    #[error(
        "{node} ({model}) needs an update for {needed}, and what was named is for {found}; build it with `rack image \
         --arch {needed}`, and name its update.toml, too"
    )]
    Missing {
        /// The first node that would get none.
        node: String,
        /// Which machine it is.
        model: String,
        /// What it needs.
        needed: Arch,
        /// What there is.
        found: String,
    },
}

impl<'a> Fitting<'a> {
    /// Reads the manifests, addresses by the rack's first node.
    pub fn of(rack: &Rack, reach: &dyn Reach, sources: &'a [Source]) -> Result<Self, FittingError> {
        let first = Machine::new(&rack.nodes[0], reach);
        let read = |source: &'a Source| {
            let Manifest { arch, version, .. } = source.manifest(first)?;
            Ok(Update {
                arch,
                version,
                source,
            })
        };
        let named = sources
            .iter()
            .map(read)
            .collect::<Result<_, FittingError>>()?;
        Self::choose(rack, named)
    }

    fn choose(rack: &Rack, mut named: Vec<Update<'a>>) -> Result<Self, FittingError> {
        for (index, update) in named.iter().enumerate() {
            if named[..index].iter().any(|other| other.arch == update.arch) {
                return Err(FittingError::Twice(update.arch));
            }
        }
        let mut updates: Vec<Update<'a>> = Vec::new();
        for node in &rack.nodes {
            let needed = node.model.arch;
            if updates.iter().any(|update| update.arch == needed) {
                continue;
            }
            let Some(index) = named.iter().position(|update| update.arch == needed) else {
                let found = named.iter().chain(&updates);
                let found: Vec<&str> = found.map(|update| update.arch.as_str()).collect();
                return Err(FittingError::Missing {
                    node: node.name.to_string(),
                    model: node.model.name.clone(),
                    needed,
                    found: found.join(" and "),
                });
            };
            updates.push(named.swap_remove(index));
        }
        Ok(Self { updates })
    }

    /// The update for a node of the rack.
    pub fn update(&self, node: &Node) -> &Update<'a> {
        let fits = |update: &&Update<'_>| update.arch == node.model.arch;
        // There is one for every node of the rack.
        self.updates.iter().find(fits).unwrap_or(&self.updates[0])
    }
}

/// "version 2", or each kind's when they differ.
impl fmt::Display for Fitting<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = &self.updates[0].version;
        if self.updates.iter().all(|update| update.version == *first) {
            return write!(out, "version {first}");
        }
        let each = self.updates.iter();
        let each: Vec<String> = each
            .map(|update| format!("version {} ({})", update.version, update.arch))
            .collect();
        out.write_str(&each.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RACK: &str = include_str!("../../rack.toml");

    fn mixed() -> Rack {
        // No port of the switch feeds the other kind.
        let text = RACK.replace("power = \"poe\"", "power = \"supply\"");
        let text = text.replacen("model = \"pi5-8gb\"", "model = \"odroid-h4-16gb\"", 1);
        Rack::parse("rack.toml", &text).unwrap()
    }

    fn chosen(rack: &Rack, named: &[(Arch, &str)]) -> Result<Vec<String>, String> {
        let source = Source::Url("http://example.org/update.toml".to_owned());
        let named = named.iter().map(|(arch, version)| Update {
            arch: *arch,
            version: (*version).to_owned(),
            source: &source,
        });
        let fitting = Fitting::choose(rack, named.collect()).map_err(|error| error.to_string())?;
        let of_nodes = rack.nodes.iter();
        let of_nodes = of_nodes.map(|node| fitting.update(node).version.clone());
        Ok(of_nodes.chain([fitting.to_string()]).collect())
    }

    #[test]
    fn each_node_gets_the_update_for_its_kind() {
        let named = [(Arch::Arm64, "2+arm"), (Arch::Amd64, "2+amd")];
        assert_eq!(
            chosen(&mixed(), &named).unwrap(),
            [
                "2+amd",
                "2+arm",
                "2+arm",
                "version 2+amd (amd64) or version 2+arm (arm64)"
            ]
        );
        let same = [(Arch::Amd64, "2"), (Arch::Arm64, "2")];
        assert_eq!(chosen(&mixed(), &same).unwrap()[3], "version 2");
    }

    #[test]
    fn one_that_no_node_needs_is_left_out() {
        let rack = Rack::parse("rack.toml", RACK).unwrap();
        let named = [(Arch::Amd64, "2+amd"), (Arch::Arm64, "2+arm")];
        assert_eq!(chosen(&rack, &named).unwrap()[3], "version 2+arm");
    }

    #[test]
    fn what_a_node_needs_and_is_not_there_is_named() {
        let error = chosen(&mixed(), &[(Arch::Arm64, "2")]).unwrap_err();
        assert!(
            error.starts_with(
                "node-1 (odroid-h4-16gb) needs an update for amd64, and what was named is for arm64"
            ),
            "{error}"
        );
        let error = chosen(&mixed(), &[(Arch::Amd64, "2")]).unwrap_err();
        assert!(
            error.starts_with("node-2 (pi5-8gb) needs an update for arm64"),
            "{error}"
        );
        let twice = [(Arch::Arm64, "2"), (Arch::Arm64, "3")];
        let error = chosen(&mixed(), &twice).unwrap_err();
        assert_eq!(error, "two of the updates are for arm64: name one");
    }
}
