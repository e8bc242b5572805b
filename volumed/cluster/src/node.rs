//! What the cluster knows of a node.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, NodeNumber};

/// The form of the records that this program writes.
pub const VERSION: u32 = 1;

/// Addresses that a node may have: each is in its certificates.
pub const MAX_ADDRESSES: usize = 8;

/// A node, as its record, `members.json` and those who let it in say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// [`VERSION`].
    pub version: u32,
    /// Its id.
    pub id: NodeId,
    /// Its number.
    pub number: NodeNumber,
    /// What people call it.
    pub name: NodeName,
    /// Where it is.
    pub place: Place,
    /// When it joined, in seconds since 1970.
    pub joined: u64,
    /// It has, or may ask for, the authority's key: so it is for the nodes that keep the store.
    #[serde(default)]
    pub signs: bool,
    /// Its certificates that may be valid still, so that they can be revoked.
    #[serde(default)]
    pub certificates: Vec<Issued>,
    /// That it is to be emptied, if it is: it does so by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<NodeDrain>,
}

/// The drain of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDrain {
    /// When it was begun, in seconds since 1970.
    pub begun: u64,
    /// Bytes that volumes held on its disks then.
    pub held: u64,
}

/// A node that was removed: whoever shows its key or one of its certificates is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedNode {
    /// [`VERSION`].
    pub version: u32,
    /// Its id.
    pub id: NodeId,
    /// Its number, which nobody gets again.
    pub number: NodeNumber,
    /// What people called it.
    pub name: NodeName,
    /// When it was removed, in seconds since 1970.
    pub removed: u64,
    /// Its certificates that may be valid still.
    #[serde(default)]
    pub certificates: Vec<Issued>,
}

/// A certificate that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Its serial number.
    pub serial: Serial,
    /// When it expires, in seconds since 1970.
    pub expires: u64,
}

/// Where a node is reached by the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its addresses, one at least; the other nodes connect to the first one.
    pub addresses: Vec<IpAddr>,
    /// Its ports.
    pub ports: Ports,
}

/// The ports of a node, on its first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Where nodes join and renew their certificates.
    pub cluster: u16,
    /// Where links end that bring what heads ask of its replicas.
    #[serde(default = "default_links")]
    pub links: u16,
    /// etcd's for clients.
    pub etcd_client: u16,
    /// etcd's for its members.
    pub etcd_peer: u16,
}

fn default_links() -> u16 {
    10_812
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            cluster: 10_811,
            links: default_links(),
            etcd_client: 2379,
            etcd_peer: 2380,
        }
    }
}

/// Why a place cannot be a node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// No address.
    #[error("a node needs an address at which the others reach it")]
    NoAddress,
    /// Too many.
    #[error("a node has up to {MAX_ADDRESSES} addresses, not {0}")]
    TooMany(usize),
    /// One at which nobody can reach it.
    #[error("{0} is no address at which other nodes reach this one")]
    Unreachable(IpAddr),
}

impl Place {
    /// A place whose addresses can be a node's.
    pub fn new(addresses: Vec<IpAddr>, ports: Ports) -> Result<Self, PlaceError> {
        let place = Self { addresses, ports };
        place.check()?;
        Ok(place)
    }

    /// Whether the addresses can be a node's.
    pub fn check(&self) -> Result<(), PlaceError> {
        if self.addresses.is_empty() {
            return Err(PlaceError::NoAddress);
        }
        if self.addresses.len() > MAX_ADDRESSES {
            return Err(PlaceError::TooMany(self.addresses.len()));
        }
        let nowhere = |ip: &&IpAddr| ip.is_unspecified() || ip.is_multicast();
        match self.addresses.iter().find(nowhere) {
            Some(ip) => Err(PlaceError::Unreachable(*ip)),
            None => Ok(()),
        }
    }

    /// Where it lets nodes in and renews their certificates.
    pub fn cluster(&self) -> SocketAddr {
        self.at(self.ports.cluster)
    }

    /// Where its replicas are asked.
    pub fn links(&self) -> SocketAddr {
        self.at(self.ports.links)
    }

    /// Where its etcd serves clients, if it has one.
    pub fn etcd_client(&self) -> SocketAddr {
        self.at(self.ports.etcd_client)
    }

    /// Where its etcd speaks to the other members, if it has one.
    pub fn etcd_peer(&self) -> SocketAddr {
        self.at(self.ports.etcd_peer)
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.addresses[0], port)
    }
}

/// What people call a node: 1 to 63 of a-z, 0-9 and the dash, which is neither first nor last, so that it is
/// a name of the DNS as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

/// A text that cannot be a node's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be a node's name: 1 to 63 of a-z, 0-9 and -, no dash first or last, not localhost"
)]
pub struct NodeNameError(String);

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let letters = text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let dashed = text.starts_with('-') || text.ends_with('-');
        if !letters || dashed || !(1..=63).contains(&text.len()) || text == "localhost" {
            return Err(NodeNameError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for NodeName {
    type Error = NodeNameError;

    fn try_from(text: String) -> Result<Self, NodeNameError> {
        text.parse()
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A certificate's serial number: drawn, 127 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(u128);

/// A text that is no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a serial number has 32 digits of 0-9 and a-f")]
pub struct SerialError;

impl Serial {
    /// A new one.
    pub fn draw() -> Self {
        // Positive, and as long as all others.
        Self(rand::random::<u128>() >> 1 | 1 << 126)
    }

    /// As certificates hold it.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl TryFrom<String> for Serial {
    type Error = SerialError;

    fn try_from(text: String) -> Result<Self, SerialError> {
        let id: NodeId = text.parse().map_err(|_| SerialError)?;
        Ok(Self(id.0))
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        format!("{:032x}", serial.0)
    }
}
