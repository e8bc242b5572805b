//! The nodes.

use std::net::Ipv4Addr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use volumed_core::{ByteCount, size};

use crate::mac::Mac;
use crate::models::{DiskModel, NodeModel};
use crate::names::Label;
use crate::watts::Watts;

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// What it is called, in DNS too.
    pub name: Label,
    /// Where it is in the mount, counted from 1 at the left.
    pub slot: u8,
    /// The machine.
    #[serde(serialize_with = "NodeModel::serialize_name")]
    pub model: &'static NodeModel,
    /// The address of its network card; none as long as nobody has read it off the board.
    pub mac: Option<Mac>,
    /// Its address in the nodes' network.
    pub address: Ipv4Addr,
    /// Disks for the pool.
    pub disks: Vec<Disk>,
    /// What feeds it.
    pub power: PowerSource,
}

/// A node without MAC is asked for what needs one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no MAC yet; write mac = \"…\" in its [[node]], as it is on the board's label")]
pub struct NoMac(pub Label);

impl Node {
    /// Its MAC, for what needs one: the router's leases, and images, which find their node by it.
    pub fn known_mac(&self) -> Result<Mac, NoMac> {
        self.mac.ok_or_else(|| NoMac(self.name.clone()))
    }

    /// What it takes when it does nothing, disks at rest.
    pub fn idle_watts(&self) -> Watts {
        self.model.watts.idle
    }

    /// The most that it takes, disks included.
    pub fn max_watts(&self) -> Watts {
        let disks: Watts = self.disks.iter().map(|disk| disk.watts).sum();
        self.model.watts.max + disks
    }
}

/// A disk for the pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "DiskEntry")]
pub struct Disk {
    /// Its kind.
    #[serde(serialize_with = "DiskModel::serialize_name")]
    pub model: &'static DiskModel,
    /// Its size.
    #[serde(serialize_with = "write_bytes")]
    pub capacity: ByteCount,
    /// The most that it takes.
    pub watts: Watts,
}

/// A disk as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiskEntry {
    #[serde(deserialize_with = "DiskModel::deserialize_name")]
    model: &'static DiskModel,
    #[serde(deserialize_with = "read_size")]
    capacity: ByteCount,
    watts: Option<Watts>,
}

impl From<DiskEntry> for Disk {
    fn from(entry: DiskEntry) -> Self {
        Self {
            model: entry.model,
            capacity: entry.capacity,
            watts: entry.watts.unwrap_or(entry.model.watts.max),
        }
    }
}

fn read_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteCount, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = size::parse(&text).map_err(de::Error::custom)?;
    Ok(ByteCount(bytes))
}

// Serde's attribute asks for a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn write_bytes<S: Serializer>(bytes: &ByteCount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(bytes.0)
}

/// What feeds a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerSource {
    /// The switch, over the network cable.
    Poe,
    /// A supply of its own.
    Supply,
}
