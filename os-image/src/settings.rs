//! What an image carries of its rack, from `rack.toml`.

use std::str::FromStr;

use hayrack_node::{Mac, Network, Node, PublicKey, Settings};
use rack_model::models::Arch;
use rack_model::{NoMac, Rack};

/// What is asked of an image, beside what `rack.toml` says.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// For which machines.
    pub arch: Arch,
    /// The one node that it is for; without it, it is for all of these machines.
    pub node: Option<String>,
    /// Disks that may be formatted although they hold something.
    pub wipe: Vec<Wipe>,
    /// Whose updates its nodes take.
    pub update_key: Option<PublicKey>,
    /// The line of `authorized_keys` with which the router brings certificates, if it does.
    pub certificate_line: Option<String>,
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
    /// A node is another kind of machine.
    #[error(
        "the image is to be for {wanted}, and {node} ({model}) needs one for {needed}: --arch {needed}"
    )]
    Arch {
        /// The node.
        node: String,
        /// What it is.
        model: String,
        /// What it needs.
        needed: Arch,
        /// What was asked for.
        wanted: Arch,
    },
    /// s3d's settings are not what a node expects.
    #[error("s3d's settings do not fit what nodes read: {0}")]
    S3d(#[from] Box<toml::de::Error>),
    /// A node would not find itself.
    #[error(transparent)]
    NoMac(#[from] NoMac),
}

/// The nodes that the image is for.
pub fn image_nodes<'a>(
    rack: &'a Rack,
    wanted: &Wanted,
) -> Result<Vec<&'a rack_model::Node>, SettingsError> {
    check_names(rack, wanted)?;
    let name = wanted.node.as_deref();
    let asked = |node: &&rack_model::Node| name.is_none_or(|name| name == node.name.as_str());
    let (fitting, others): (Vec<_>, Vec<_>) = rack
        .nodes
        .iter()
        .filter(asked)
        .partition(|node| node.model.arch == wanted.arch);
    match others.first() {
        Some(other) if fitting.is_empty() => Err(SettingsError::Arch {
            node: other.name.to_string(),
            model: other.model.name.clone(),
            needed: other.model.arch,
            wanted: wanted.arch,
        }),
        _ => Ok(fitting),
    }
}

/// The settings of an image. Nodes that it is not for are in it too, as far as their MACs are known: nodes know each
/// other by name.
pub fn settings(rack: &Rack, wanted: &Wanted) -> Result<Settings, SettingsError> {
    let own = image_nodes(rack, wanted)?;
    let is_own = |node: &rack_model::Node| own.iter().any(|own| own.name == node.name);
    let nodes = rack.nodes.iter();
    let nodes = nodes.filter(|node| is_own(node) || node.mac.is_some());
    let operators = rack.operators.iter();
    let operators = operators.map(|operator| operator.ssh.to_string());
    Ok(Settings {
        rack: rack.name.to_string(),
        network: Network {
            first: rack.network.nodes.network(),
            prefix: rack.network.nodes.prefix_len(),
        },
        router: rack.network.router,
        forge: rack.forge.as_ref().map(|forge| forge.node.to_string()),
        update_key: wanted.update_key,
        authorized_keys: operators.chain(wanted.certificate_line.clone()).collect(),
        s3d: toml::from_str(&openwrt::s3d_settings(rack)).map_err(Box::new)?,
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

    fn wanted() -> Wanted {
        Wanted {
            arch: Arch::Arm64,
            node: None,
            wipe: Vec::new(),
            update_key: None,
            certificate_line: None,
        }
    }

    fn only(node: &str) -> Wanted {
        Wanted {
            node: Some(node.to_owned()),
            ..wanted()
        }
    }

    #[test]
    fn an_image_carries_every_node_and_who_may_log_in() {
        let rack = rack(RACK);
        let wanted = Wanted {
            certificate_line: Some("restrict ssh-ed25519 A".to_owned()),
            ..wanted()
        };
        let settings = settings(&rack, &wanted).unwrap();
        assert_eq!(settings.nodes.len(), rack.nodes.len());
        assert_eq!(settings.authorized_keys.len(), rack.operators.len() + 1);
        let (of_rack, own) = (&rack.nodes[0], &settings.nodes[0]);
        assert_eq!(
            (&own.name, own.address),
            (&of_rack.name.to_string(), of_rack.address)
        );
        assert_eq!(own.mac.to_string(), of_rack.mac.unwrap().to_string());
        assert_eq!(settings.network.to_string(), rack.network.nodes.to_string());
    }

    #[test]
    fn a_node_gets_the_s3d_settings_that_fit_the_router() {
        for tls in ["nodes", "router"] {
            let rack = rack(&RACK.replace("tls = \"nodes\"", &format!("tls = \"{tls}\"")));
            let s3d = settings(&rack, &wanted()).unwrap().s3d;
            let of_router: toml::Table = openwrt::s3d_settings(&rack).parse().unwrap();
            assert_eq!(toml::Table::try_from(&s3d).unwrap(), of_router);
            assert_eq!(s3d.tls_certificate.is_some(), tls == "nodes");
            assert_eq!(s3d.hosts()[0], rack.s3_host());
            assert_eq!(s3d.hosts()[2], rack.api_host());
        }
    }

    #[test]
    fn a_forge_is_on_its_node() {
        let forge = format!("{RACK}\n[forge]\nnode = \"node-2\"\n");
        let of = |text: &str| settings(&rack(text), &wanted()).unwrap();
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
        let (name, other) = (rack(RACK).nodes[0].name.to_string(), "node-2");
        let mac = format!("mac = \"{}\"\n", rack(RACK).nodes[0].mac.unwrap());
        let rack = rack(&RACK.replacen(&mac, "", 1));
        let error = settings(&rack, &wanted()).unwrap_err();
        assert!(
            error.to_string().contains("node-1 has no MAC yet"),
            "{error}"
        );
        assert!(matches!(
            settings(&rack, &only(&name)),
            Err(SettingsError::NoMac(_))
        ));
        let settings = settings(&rack, &only(other)).unwrap();
        assert!(settings.nodes.iter().all(|node| node.name != name));
    }

    #[test]
    fn an_image_is_for_machines_of_its_kind() {
        let mixed = RACK.replace("power = \"poe\"", "power = \"supply\"");
        let model = "model = \"pi5-8gb\"";
        let mixed = rack(&mixed.replacen(model, "model = \"odroid-h4-16gb\"", 1));
        let names = |wanted: &Wanted| {
            let nodes = image_nodes(&mixed, wanted)?;
            Ok::<_, SettingsError>(nodes.iter().map(|node| node.name.to_string()).collect())
        };
        let of_arm: Vec<String> = names(&wanted()).unwrap();
        assert_eq!(of_arm, ["node-2", "node-3"]);
        let error = names(&only("node-1")).unwrap_err().to_string();
        assert!(error.contains("node-1 (odroid-h4-16gb)"), "{error}");
        assert!(error.contains("--arch amd64"), "{error}");
        let wanted = Wanted {
            arch: Arch::Amd64,
            ..wanted()
        };
        let error = settings(&rack(RACK), &wanted).unwrap_err();
        assert!(matches!(error, SettingsError::Arch { .. }), "{error}");
    }

    #[test]
    fn a_disk_is_wiped_in_its_own_node_alone() {
        let rack = rack(RACK);
        let wipe = |node: &str| Wanted {
            wipe: vec![Wipe {
                node: node.to_owned(),
                disk: "sda".to_owned(),
            }],
            ..wanted()
        };
        let settings = settings(&rack, &wipe("node-2")).unwrap();
        let wiped: Vec<usize> = settings.nodes.iter().map(|node| node.wipe.len()).collect();
        assert_eq!(wiped, [0, 1, 0]);
        let error = super::settings(&rack, &wipe("node-9"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("node-9") && error.contains("node-1"),
            "{error}"
        );
    }
}
