//! What an image carries of its rack: `node/settings.toml` on the state partition. One image is for all nodes of the
//! rack; a node finds itself by its MAC.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::s3d::S3d;
use crate::signing::PublicKey;

/// A rack, as its nodes know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The rack's name.
    pub rack: String,
    /// The network of the nodes.
    pub network: Network,
    /// The router's address in it: the way out, and name server.
    pub router: Ipv4Addr,
    /// The node that the rack's forge is a guest of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<String>,
    /// Whose updates are taken; without it none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_key: Option<PublicKey>,
    /// Lines of `authorized_keys`: the operators' keys, and the one with which the router brings certificates.
    #[serde(default)]
    pub authorized_keys: Vec<String>,
    /// s3d's settings.
    pub s3d: S3d,
    /// The nodes.
    #[serde(rename = "node")]
    pub nodes: Vec<Node>,
}

/// A node of the rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// The address of its network port.
    pub mac: Mac,
    /// Where the others reach it.
    pub address: Ipv4Addr,
    /// Disks that may be formatted although they hold something, each by its id or its kernel name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wipe: Vec<String>,
}

/// The address of a network port: six bytes, written `dc:a6:32:01:02:03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac(pub [u8; 6]);

/// An IPv4 network, written `10.77.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    /// Its first address.
    pub first: Ipv4Addr,
    /// How many bits its addresses share, 1 to 32.
    pub prefix: u8,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; build the image with the rack's settings", .path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is none.
    #[error("{}: {source}", .path.display())]
    Parse {
        /// Which one.
        path: PathBuf,
        /// Where, and what is wrong.
        source: Box<toml::de::Error>,
    },
    /// No node has a network port of this machine.
    #[error(
        "no node of the rack {rack} has the MAC of this machine ({}); add it to rack.toml and build the image anew",
        join(.found)
    )]
    Unknown {
        /// The rack's name.
        rack: String,
        /// The ports of this machine.
        found: Vec<Mac>,
    },
}

/// Where a machine keeps them.
pub fn file(machine: &Machine) -> PathBuf {
    machine.node_state("settings.toml")
}

impl Settings {
    /// Reads them from a file.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| SettingsError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// The node that has one of these ports.
    pub fn node_with(&self, ports: &[Mac]) -> Result<&Node, SettingsError> {
        let found = self.nodes.iter().find(|node| ports.contains(&node.mac));
        found.ok_or_else(|| SettingsError::Unknown {
            rack: self.rack.clone(),
            found: ports.to_owned(),
        })
    }
}

fn join(macs: &[Mac]) -> String {
    let texts: Vec<String> = macs.iter().map(Mac::to_string).collect();
    if texts.is_empty() {
        return "it has no network port".to_owned();
    }
    texts.join(", ")
}

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.map(|byte| format!("{byte:02x}"));
        out.write_str(&bytes.join(":"))
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let byte = |part: &str| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok())?;
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no MAC: write it like dc:a6:32:01:02:03"))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.first, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(first, prefix)| {
            Some(Self {
                first: first.parse().ok()?,
                prefix: prefix.parse().ok().filter(|bits| (1..=32).contains(bits))?,
            })
        });
        parsed.ok_or_else(|| format!("{text:?} is no network: write it like 10.77.0.0/24"))
    }
}

/// How a type that is written as text is read and written.
macro_rules! as_text {
    ($name:ty) => {
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    };
}
as_text!(Mac);
as_text!(Network);

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
rack = "attic"
network = "10.77.0.0/24"
router = "10.77.0.1"
authorized_keys = ["ssh-ed25519 AAAA ops"]

[s3d]
domain = "example.org"
s3_listen = "0.0.0.0:443"
api_listen = "0.0.0.0:9001"
proxy_from = ["10.77.0.1/32"]
tls_certificate = "/etc/hayrack/tls.pem"

[[node]]
name = "node-1"
mac = "dc:a6:32:01:02:03"
address = "10.77.0.11"

[[node]]
name = "node-2"
mac = "DC:A6:32:01:02:04"
address = "10.77.0.12"
wipe = ["sda"]
"#;

    fn load(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text).unwrap();
        Settings::load(&path)
    }

    #[test]
    fn a_node_finds_itself_by_its_mac() {
        let settings = load(TEXT).unwrap();
        let ports = ["02:00:00:00:00:01", "dc:a6:32:01:02:04"].map(|text| text.parse().unwrap());
        let node = settings.node_with(&ports).unwrap();
        assert_eq!(
            (node.name.as_str(), node.wipe.as_slice()),
            ("node-2", &["sda".to_owned()][..])
        );
        let stranger = settings.node_with(&ports[..1]).unwrap_err().to_string();
        assert!(stranger.contains("02:00:00:00:00:01"), "{stranger}");
        assert!(stranger.contains("attic"), "{stranger}");
    }

    #[test]
    fn what_is_written_is_read() {
        let settings = load(TEXT).unwrap();
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(load(&text).unwrap(), settings);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (right, wrong) in [
            ("10.77.0.0/24", "10.77.0.0/33"),
            ("dc:a6:32:01:02:03", "dc:a6:32:01:02"),
            ("router", "ruoter"),
            ("0.0.0.0:9001", "0.0.0.0:nine"),
        ] {
            let error = load(&TEXT.replacen(right, wrong, 1))
                .unwrap_err()
                .to_string();
            assert!(error.contains(wrong) && error.contains("line "), "{error}");
        }
        let missing = Settings::load(Path::new("/no/such/file")).unwrap_err();
        assert!(missing.to_string().contains("/no/such/file"));
    }
}
