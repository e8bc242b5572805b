//! Which nodes are up, and what each says of itself: a record under its lease, so that it goes with it.

use serde::{Deserialize, Serialize};
use volumed_cluster::NodeNumber;
use volumed_core::{ByteCount, DiskId, DiskNumber};
use volumed_meta::{Entry, MetaStore, StoreError};

use crate::error::RecordError;
use crate::store::records::{decode, last_part, read_all};

pub(super) const PRESENCE: &[u8] = b"presence/";

/// A node that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Presence {
    pub version: u32,
    pub disks: Vec<PresentDisk>,
    /// Volumes that it serves.
    pub served: u32,
}

/// A disk of a node that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresentDisk {
    pub number: u16,
    pub id: String,
    /// Bytes.
    pub capacity: u64,
    /// Bytes of volumes.
    pub used: u64,
    /// Bytes that can be placed there: none on one that failed, or is drained.
    pub free: u64,
    /// It is to be emptied.
    #[serde(default)]
    pub draining: bool,
    /// That cannot go on: there is no room elsewhere, or a disk failed.
    #[serde(default)]
    pub waits: bool,
}

impl PresentDisk {
    pub fn number(&self) -> DiskNumber {
        DiskNumber(self.number)
    }

    pub fn id(&self) -> Option<DiskId> {
        self.id.parse().ok()
    }

    pub fn free(&self) -> ByteCount {
        ByteCount(self.free)
    }

    /// Whether another node would place something else by the difference.
    pub fn differs_much(&self, other: &Self) -> bool {
        let much = self.capacity / 100;
        let same = self.number == other.number && self.id == other.id;
        !same
            || (self.draining, self.waits) != (other.draining, other.waits)
            || self.capacity != other.capacity
            || (self.free == 0) != (other.free == 0)
            || self.free.abs_diff(other.free) > much
            || self.used.abs_diff(other.used) > much
    }
}

impl Presence {
    /// Whether it is to be written again.
    pub fn differs_much(&self, other: &Self) -> bool {
        let disks = self.disks.iter().zip(&other.disks);
        self.served != other.served
            || self.disks.len() != other.disks.len()
            || disks
                .into_iter()
                .any(|(one, other)| one.differs_much(other))
    }
}

pub(super) fn presence_key(node: NodeNumber) -> Vec<u8> {
    format!("presence/{node}").into_bytes()
}

/// The number of the node whose record has the key.
pub(super) fn node_of(key: &[u8]) -> Option<NodeNumber> {
    last_part(key).parse().ok().map(NodeNumber)
}

/// The nodes that are up.
pub(super) async fn read(store: &dyn MetaStore) -> Result<Vec<(NodeNumber, Presence)>, StoreError> {
    let entries = read_all(store, PRESENCE).await?;
    let readable = |entry: &Entry| {
        let present: Result<Presence, RecordError> = decode(entry);
        match present {
            Ok(present) => node_of(&entry.key).map(|node| (node, present)),
            Err(error) => {
                tracing::warn!(%error, "a node says of itself what is not understood");
                None
            }
        }
    };
    Ok(entries.iter().filter_map(readable).collect())
}
