//! What `rack init` must know.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

use rack_model::Mac;
use rack_model::keys::{KeyError, SshKey};
use rack_model::models::NodeModel;
use rack_model::names::{Domain, Label};

/// What `rack init` must know.
#[derive(Debug, Clone)]
pub struct Answers {
    /// The rack's name.
    pub name: Label,
    /// Its domain.
    pub domain: Domain,
    /// How many nodes, 1 to 12.
    pub nodes: u8,
    /// Which machine they are.
    pub model: &'static NodeModel,
    /// The MACs that are known, in the order of the slots.
    pub macs: Vec<Mac>,
    /// The router's uplink.
    pub uplink: Uplink,
    /// The operator's key.
    pub key: Key,
}

/// The router's uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uplink {
    /// Its address is leased.
    Dhcp,
    /// It is dialled for.
    Pppoe(String),
    /// Its address is fixed: address and bits, gateway, name server.
    Fixed(String, Ipv4Addr, Ipv4Addr),
}

/// Not an uplink.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no uplink; write dhcp, pppoe:USER, or 198.51.100.2/24,198.51.100.1,198.51.100.1")]
pub struct UplinkError(String);

impl FromStr for Uplink {
    type Err = UplinkError;

    fn from_str(text: &str) -> Result<Self, UplinkError> {
        let malformed = || UplinkError(text.to_owned());
        if text == "dhcp" {
            return Ok(Self::Dhcp);
        }
        if let Some(user) = text.strip_prefix("pppoe:") {
            let is_user =
                !user.is_empty() && !user.contains(['"', '\\']) && !user.contains(char::is_control);
            return if is_user {
                Ok(Self::Pppoe(user.to_owned()))
            } else {
                Err(malformed())
            };
        }
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [address, gateway, server] = parts[..] else {
            return Err(malformed());
        };
        let (own, bits) = address.split_once('/').ok_or_else(malformed)?;
        let is_network =
            own.parse::<Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 32);
        if !is_network {
            return Err(malformed());
        }
        let read = |text: &str| text.parse().map_err(|_| malformed());
        Ok(Self::Fixed(
            address.to_owned(),
            read(gateway)?,
            read(server)?,
        ))
    }
}

/// The operator's SSH public key, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub ssh: SshKey,
    /// From the key's comment, as far as it is a name.
    pub operator: Label,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; write the key itself, or its .pub file", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is none.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        // The line of a key has words, and a file's name rarely.
        let is_line = text.contains(' ') && text.contains("AAAA");
        let line = if is_line {
            text.to_owned()
        } else {
            read(text)?
        };
        let ssh: SshKey = line.parse()?;
        let comment = ssh.as_str().split(' ').nth(2).unwrap_or_default();
        let user = comment.split('@').next().unwrap_or_default().to_lowercase();
        let operator = user.parse().or_else(|_| "ops".parse());
        Ok(Self {
            operator: operator.expect("ops is a name"),
            ssh,
        })
    }
}

fn read(text: &str) -> Result<String, NoKey> {
    let path = match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    };
    fs::read_to_string(&path).map_err(|source| NoKey::Unreadable { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uplinks_are_read_as_they_are_asked_for() {
        assert_eq!("dhcp".parse(), Ok(Uplink::Dhcp));
        assert_eq!(
            "pppoe:me@isp".parse(),
            Ok(Uplink::Pppoe("me@isp".to_owned()))
        );
        let fixed: Uplink = "198.51.100.2/24, 198.51.100.1, 9.9.9.9".parse().unwrap();
        assert!(matches!(fixed, Uplink::Fixed(address, ..) if address == "198.51.100.2/24"));
        for text in [
            "",
            "pppoe:",
            "pppoe:a\"b",
            "198.51.100.2",
            "198.51.100.2/24,x,y",
            "a/24,1.1.1.1,1.1.1.1",
        ] {
            assert!(text.parse::<Uplink>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_a_line_or_a_file_and_names_its_owner() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f Ann@desk";
        let key: Key = line.parse().unwrap();
        assert_eq!(key.operator.as_str(), "ann");
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("{line}\n")).unwrap();
        assert_eq!(file.path().to_str().unwrap().parse::<Key>().unwrap(), key);
        let without_comment = line.trim_end_matches(" Ann@desk");
        assert_eq!(
            without_comment.parse::<Key>().unwrap().operator.as_str(),
            "ops"
        );
        assert!(matches!(
            "/nowhere.pub".parse::<Key>(),
            Err(NoKey::Unreadable { .. })
        ));
    }
}
