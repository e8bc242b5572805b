//! The pool and its disks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::drain::DrainInfo;

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
