//! What a node's settings are, and what they have to be by rack.toml.

use os_image::{Settings, SettingsError, Wanted, Wipe};
use rack_model::{Node, Rack};
use toml::Table;

use super::difference::Difference;
use crate::machine::{AskError, Machine};

/// With what the line begins by which the router brings certificates; operators' keys have no restrictions.
const CERTIFICATE_LINE: &str = "restrict,";

/// The settings of a node that changes.
pub struct Renewed {
    /// All of them, as TOML.
    pub text: String,
    /// What changes.
    pub difference: Difference,
}

/// Why it is unknown what changes.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The node does not say what its settings are.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What it says is not understood.
    #[error(
        "the settings of {node} are not understood: {source}; bring rack and nodes to one version, with `rack update`"
    )]
    Parse {
        /// The node.
        node: String,
        /// Where, and why not.
        source: Box<toml::de::Error>,
    },
    /// It would be no node.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// They cannot be written as TOML.
    #[error("the settings of a node cannot be written: {0}")]
    Write(#[from] toml::ser::Error),
}

/// How the router may come in.
pub enum CertificateLine<'a> {
    /// By this line, if at all.
    Is(Option<&'a str>),
    /// As the node has it: without an identity nothing else is known.
    Kept,
}

/// What a node's settings have to be. What rack.toml does not say stays as it is: whose updates the node takes, and
/// which disks it may format.
pub fn renewed(
    rack: &Rack,
    machine: Machine<'_>,
    certificate_line: &CertificateLine<'_>,
) -> Result<Renewed, RenewError> {
    let text = machine.settings()?;
    let parsed = |source| RenewError::Parse {
        node: machine.node.name.to_string(),
        source: Box::new(source),
    };
    let current: Settings = toml::from_str(&text).map_err(parsed)?;
    let wanted = wanted(rack, machine.node, &current, certificate_line);
    let wanted = os_image::settings(rack, &wanted)?;
    Ok(Renewed {
        text: toml::to_string(&wanted)?,
        difference: Difference::between(&Table::try_from(&current)?, &Table::try_from(&wanted)?),
    })
}

fn wanted(
    rack: &Rack,
    node: &Node,
    current: &Settings,
    certificate_line: &CertificateLine<'_>,
) -> Wanted {
    let kept = |keys: &[String]| {
        keys.iter()
            .find(|key| key.starts_with(CERTIFICATE_LINE))
            .cloned()
    };
    Wanted {
        arch: node.model.arch,
        node: Some(node.name.to_string()),
        wipe: wipes(rack, current),
        update_key: current.update_key,
        certificate_line: match certificate_line {
            CertificateLine::Is(line) => line.map(str::to_owned),
            CertificateLine::Kept => kept(&current.authorized_keys),
        },
    }
}

/// Of nodes that are in rack.toml.
fn wipes(rack: &Rack, current: &Settings) -> Vec<Wipe> {
    let nodes = current.nodes.iter();
    let known = nodes.filter(|node| rack.node(&node.name).is_some());
    let wipes = known.flat_map(|node| {
        node.wipe.iter().map(|disk| Wipe {
            node: node.name.clone(),
            disk: disk.clone(),
        })
    });
    wipes.collect()
}
