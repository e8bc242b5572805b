//! Volumes: made, changed, listed.

use serde::{Deserialize, Serialize};

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
