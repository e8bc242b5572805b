//! What an image carries of its rack, from `rack.toml`.

use std::str::FromStr;

use hayrack_node::update::PublicKey;
use hayrack_node::{Mac, Network, Node, Settings};
use rack_model::{NoMac, Rack};

/// What is asked of an image, beside what `rack.toml` says.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The one node that it is for; without it, it is for all of them.
    pub node: Option<String>,
    /// Disks that may be formatted although they hold something.
    pub wipe: Vec<Wipe>,
    /// Whose updates its nodes take.
    pub update_key: Option<PublicKey>,
}

/// A disk that may be formatted although it holds something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wipe {
    /// The node that it is in.
    pub node: String,
    /// Its id, or what the kernel calls it.
    pub disk: String,
}

impl FromStr for Wipe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':');
        let (node, disk) =
            parts.ok_or_else(|| format!("{text:?} names no disk; write it like node-1:sda"))?;
        Ok(Self {
            node: node.to_owned(),
            disk: disk.to_owned(),
        })
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A node is none of the rack's.
    #[error("the rack {rack} has no node {node}; it has {known}")]
    NoNode {
        /// The rack.
        rack: String,
        /// What was asked for.
        node: String,
        /// What there is.
        known: String,
    },
    /// A node would not find itself.
    #[error(transparent)]
    NoMac(#[from] NoMac),
}

/// The settings of an image. Nodes that it is not for are in it too, as far as their MACs are known: nodes know each
/// other by name.
pub fn settings(rack: &Rack, wanted: &Wanted) -> Result<Settings, SettingsError> {
    check_names(rack, wanted)?;
    let is_for = |node: &rack_model::Node| {
        let name = wanted.node.as_deref();
        name.is_none_or(|name| name == node.name.as_str())
    };
    let nodes = rack.nodes.iter();
    let nodes = nodes.filter(|node| is_for(node) || node.mac.is_some());
    Ok(Settings {
        rack: rack.name.to_string(),
        domain: rack.domain.to_string(),
        network: Network {
            first: rack.network.nodes.network(),
            prefix: rack.network.nodes.prefix_len(),
        },
        router: rack.network.router,
        forge: rack.forge.as_ref().map(|forge| forge.node.to_string()),
        update_key: wanted.update_key,
        operators: rack
            .operators
            .iter()
            .map(|operator| operator.ssh.to_string())
            .collect(),
        nodes: nodes
            .map(|node| settings_of(node, wanted))
            .collect::<Result<_, _>>()?,
    })
}

fn check_names(rack: &Rack, wanted: &Wanted) -> Result<(), SettingsError> {
    let wiped = wanted.wipe.iter().map(|wipe| &wipe.node);
    let mut named = wanted.node.iter().chain(wiped);
    let Some(name) = named.find(|name| rack.node(name).is_none()) else {
        return Ok(());
    };
    let known: Vec<&str> = rack.nodes.iter().map(|node| node.name.as_str()).collect();
    Err(SettingsError::NoNode {
        rack: rack.name.to_string(),
        node: name.clone(),
        known: known.join(", "),
    })
}

fn settings_of(node: &rack_model::Node, wanted: &Wanted) -> Result<Node, NoMac> {
    let wipe = wanted.wipe.iter();
    let wipe = wipe.filter(|wipe| wipe.node == node.name.as_str());
    Ok(Node {
        name: node.name.to_string(),
        mac: Mac(node.known_mac()?.octets()),
        address: node.address,
        wipe: wipe.map(|wipe| wipe.disk.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RACK: &str = include_str!("../../rack/rack.toml");

    fn rack(text: &str) -> Rack {
        Rack::parse("rack.toml", text).unwrap()
    }

    #[test]
    fn an_image_carries_every_node_and_operator() {
        let rack = rack(RACK);
        let settings = settings(&rack, &Wanted::default()).unwrap();
        assert_eq!(settings.nodes.len(), rack.nodes.len());
        assert_eq!(settings.operators.len(), rack.operators.len());
        let (of_rack, own) = (&rack.nodes[0], &settings.nodes[0]);
        assert_eq!(
            (&own.name, own.address),
            (&of_rack.name.to_string(), of_rack.address)
        );
        assert_eq!(own.mac.to_string(), of_rack.mac.unwrap().to_string());
        assert_eq!(settings.network.to_string(), rack.network.nodes.to_string());
    }

    #[test]
    fn a_forge_is_on_its_node() {
        let forge = format!("{RACK}\n[forge]\nnode = \"node-2\"\n");
        let of = |text: &str| settings(&rack(text), &Wanted::default()).unwrap();
        assert_eq!(of(&forge).forge.as_deref(), Some("node-2"));
        // `build/image` looks for this line.
        let text = toml::to_string(&of(&forge)).unwrap();
        assert!(
            text.lines().any(|line| line == "forge = \"node-2\""),
            "{text}"
        );
        assert!(!toml::to_string(&of(RACK)).unwrap().contains("forge"));
    }

    #[test]
    fn only_a_node_that_the_image_is_for_needs_a_mac() {
        let name = rack(RACK).nodes[0].name.to_string();
        let other = rack(RACK).nodes[1].name.to_string();
        let mac = format!("mac = \"{}\"\n", rack(RACK).nodes[0].mac.unwrap());
        let rack = rack(&RACK.replacen(&mac, "", 1));
        let of = |node: Option<&String>| {
            let wanted = Wanted {
                node: node.cloned(),
                ..Wanted::default()
            };
            settings(&rack, &wanted)
        };
        assert!(matches!(of(None), Err(SettingsError::NoMac(_))));
        assert!(matches!(of(Some(&name)), Err(SettingsError::NoMac(_))));
        let settings = of(Some(&other)).unwrap();
        assert!(settings.nodes.iter().all(|node| node.name != name));
    }

    #[test]
    fn a_disk_is_wiped_in_its_own_node_alone() {
        let rack = rack(RACK);
        let wipe = Wipe {
            node: rack.nodes[1].name.to_string(),
            disk: "sda".to_owned(),
        };
        let wanted = Wanted {
            wipe: vec![wipe.clone()],
            ..Wanted::default()
        };
        let settings = settings(&rack, &wanted).unwrap();
        let wiped: Vec<usize> = settings.nodes.iter().map(|node| node.wipe.len()).collect();
        assert_eq!(wiped, [0, 1, 0]);
        let wanted = Wanted {
            wipe: vec![Wipe {
                node: "node-9".to_owned(),
                ..wipe
            }],
            ..Wanted::default()
        };
        let error = super::settings(&rack, &wanted).unwrap_err().to_string();
        assert!(
            error.contains("node-9") && error.contains("node-1"),
            "{error}"
        );
    }
}
