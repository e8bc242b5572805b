//! The admin API of the volume daemon: what it says and a client that says it.
//!
//! HTTP/1.1 with JSON bodies on an owner-only unix socket. Every refusal is an [`ApiError`]: a code
//! for programs, a sentence for people. Sizes are in bytes.

mod client;
mod damage;
mod drain;
mod error_code;
mod finding;
mod node;
mod scrub;
mod store;
mod verification;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use client::{AdminClient, AdminError};
pub use damage::{DamagedRange, VolumeDamage};
pub use drain::{DrainInfo, DrainState};
pub use error_code::ErrorCode;
pub use finding::{Finding, Severity};
pub use node::{ClusterInfo, CreateJoinToken, JoinTokenInfo, NodeInfo, StoreMember};
pub use scrub::{ScrubInfo, ScrubState};
pub use store::{BackUpError, StoreCopies, StoreCopy, StoreInfo};
pub use verification::{DifferingRange, StartVerification, VerificationInfo};

/// Asks for a new volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateVolume {
    /// 1 to 128 of `a-z A-Z 0-9 . _ -`, not starting with a dot or a dash.
    pub name: String,
    /// Virtual size in bytes, from 4 KiB to 1 EiB, a multiple of 4 KiB; takes no space until it is
    /// written.
    pub size: u64,
    /// Copies of every extent; 0 for as many as the cluster has nodes, at most 3, also when there are more later.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(default = 1, minimum = 0, maximum = 3))]
    pub replicas: u8,
    /// How it grows by itself, if it does.
    #[serde(default)]
    pub auto_grow: Option<AutoGrow>,
    /// Bytes that it may hold in the pool, one replica counted, a multiple of 4 KiB; no limit without it.
    #[serde(default)]
    pub quota: Option<u64>,
}

/// How a volume grows by itself: by doubling, in steps of 64 MiB to 64 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AutoGrow {
    /// It grows when less than so many percent of its size are free, 1 to 90.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 90))]
    pub free_percent: u8,
    /// The size in bytes beyond which it does not grow, up to 1 EiB, a multiple of 4 KiB.
    pub max_size: u64,
}

fn one() -> u8 {
    1
}

/// Asks for a larger volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GrowVolume {
    /// The new virtual size in bytes, not below the size now, up to 1 EiB, a multiple of 4 KiB; the
    /// size stays without it.
    #[serde(default)]
    pub size: Option<u64>,
    /// How it grows by itself from now on; that stays as it is without it.
    #[serde(default)]
    pub auto_grow: Option<AutoGrow>,
}

/// Sets what a volume may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitVolume {
    /// Bytes in the pool, one replica counted, a multiple of 4 KiB; `null` for no limit. Below what the
    /// volume holds, it takes no more until enough was given back.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub quota: Option<u64>,
}

/// Changes how many copies a volume has of every extent; they are made or given up in the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetReplicas {
    /// 0 for as many as the cluster has nodes that are not drained, at most 3, also when that changes.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 3))]
    pub replicas: u8,
}

/// How long the node may serve what nobody else does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaseInfo {
    /// Milliseconds from when it was asked; absent where there is no cluster, so that nobody else may.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub left: Option<u64>,
}

/// A volume as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeInfo {
    /// Never used again, also after the volume is deleted.
    pub id: String,
    /// Unique among the volumes that exist.
    pub name: String,
    /// Virtual size in bytes.
    pub size: u64,
    /// Copies of every extent.
    pub replicas: u8,
    /// There are as many as the cluster has nodes that are not drained, at most 3.
    #[serde(default)]
    pub auto_replicas: bool,
    /// Bytes that the volume holds in the pool, one replica counted.
    pub used: u64,
    /// Grows with every attach (V1); 0 when it was never attached.
    pub epoch: u64,
    /// Who has it attached (V2), if anybody.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub owner: Option<String>,
    /// How it grows by itself, if it does.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub auto_grow: Option<AutoGrow>,
    /// Blocks of 4 KiB that are known to be damaged.
    #[serde(default)]
    pub damaged: u64,
    /// Blocks of 4 KiB that were lost with disks.
    #[serde(default)]
    pub lost: u64,
    /// Bytes that it may hold in the pool, one replica counted, if that is limited.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub quota: Option<u64>,
    /// Disks with a replica that may lack what was acknowledged, while somebody has the volume.
    #[serde(default)]
    pub stale: Vec<StaleReplica>,
    /// Replicas of extents that are yet to be made, since their disks left, nodes have been away for long, or the volume is to
    /// have more. Answers to changes do not say it, nor do any while the metadata store does not answer.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub lacking: Option<u64>,
    /// The number of the node that serves the volume now, in a cluster and if one does.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub node: Option<u16>,
}

/// Some volumes by name, and whether there are more behind them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumePage {
    /// By name.
    pub volumes: Vec<VolumeInfo>,
    /// Whether there are more.
    pub more: bool,
}

/// A replica of a volume that may lack what was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StaleReplica {
    /// The disk's id; none if the disk is not here.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub disk: Option<String>,
    /// Bytes of it that are yet to be compared, if it is being resynced.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub left: Option<u64>,
}

/// All disks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolInfo {
    /// Bytes that the disks can hold, less their reserve.
    pub capacity: u64,
    /// Bytes that volumes hold.
    pub used: u64,
    /// Bytes that can still be written.
    pub free: u64,
    /// How many disks there are.
    pub disks: u32,
    /// How many volumes there are.
    pub volumes: u32,
}

/// One disk of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskInfo {
    /// As written in the disk's `disk.json`.
    pub id: String,
    /// The directory on its file system.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub path: PathBuf,
    /// Whether it serves.
    pub state: DiskState,
    /// Bytes that it can hold, less its reserve.
    pub capacity: u64,
    /// Bytes that volumes hold on it.
    pub used: u64,
    /// Bytes that can still be written.
    pub free: u64,
    /// Extents and volumes that are freed, but whose files could not be removed yet; they are tried again.
    #[serde(default)]
    pub unremoved: u64,
    /// How far it is emptied, if it is.
    #[serde(default)]
    pub drain: Option<DrainInfo>,
}

/// Whether a disk serves. No daemon answers `unknown`: it is what an older client understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// Reads and writes.
    Online,
    /// A sync failed, or its content is not what was written (V8): nothing on it is acknowledged.
    Failed,
    /// It was added to the pool, and is not in its directory.
    Missing,
    /// A state of a newer daemon.
    #[serde(other)]
    Unknown,
}

/// Asks for one more disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddDisk {
    /// The directory, absolute; made when it does not exist.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub path: PathBuf,
    /// Bytes that volumes may hold on it; without it, what its file system offers.
    #[serde(default)]
    pub capacity: Option<u64>,
    /// Bytes of the file system that stay free; without it, 5 % or 1 GiB, whichever is smaller.
    #[serde(default)]
    pub reserve: Option<u64>,
}

/// Asks to become the volume's owner. Whoever was it before loses its connections first (V2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    /// 1 to 256 printable characters; every start of a client should make up its own.
    pub owner: String,
    /// Only if `owner` has the volume still: whoever reconnects after the daemon was restarted must
    /// not take it from somebody who attached it meanwhile.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub again: bool,
    /// Only if no other node serves the volume: else it is refused as
    /// [`ServedElsewhere`](ErrorCode::ServedElsewhere), and nobody loses it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(default = false))]
    pub unless_served: bool,
}

/// Gives the volume up; refused unless `owner` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DetachRequest {
    /// What the attach said.
    pub owner: String,
}

/// The volume is the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attached {
    /// Fences every earlier head (V1).
    pub epoch: u64,
    /// The name to ask for on the NBD socket; it dies with this attachment.
    pub export: String,
    /// The name for a client that cannot send again, but connects again (V9). It outlives the daemon, and is
    /// refused for good once something that was not flushed may be lost, or another owner attached. To attach
    /// again answers the same name as long as nothing can have been lost.
    pub lasting_export: String,
    /// Where NBD is served, an absolute path.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub nbd_socket: PathBuf,
    /// Where the files of its extents are handed out, an absolute path (V14).
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub extents_socket: PathBuf,
    /// Virtual size in bytes.
    pub size: u64,
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: one sentence.
    pub message: String,
}
