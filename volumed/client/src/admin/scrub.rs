use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the scrub of a disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScrubState {
    /// None is under way.
    Idle,
    /// It runs.
    Running,
    /// It waits until somebody starts it again.
    Paused,
}

/// The scrub of a disk: everything on it is compared with its checksums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScrubInfo {
    /// The disk's id.
    pub disk: String,
    /// Its directory.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub path: PathBuf,
    /// Whether it runs.
    pub state: ScrubState,
    /// Bytes that were compared by the scrub that runs, or ran last.
    pub checked: u64,
    /// Regions of 4 MiB that could not be checked by it.
    #[serde(default)]
    pub unchecked: u64,
    /// Bytes that the disk holds now.
    pub total: u64,
    /// How many seconds more it takes, when that can be told.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub seconds_left: Option<u64>,
    /// When the last one began, in seconds since 1970.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub begun: Option<u64>,
    /// When the last one ended that came to its end, in seconds since 1970.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub ended: Option<u64>,
    /// When the next one begins by itself, if one does, in seconds since 1970.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub due: Option<u64>,
}
