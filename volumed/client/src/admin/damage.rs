use serde::{Deserialize, Serialize};

/// What is known to be damaged of a volume: reading it is an error until it is written whole or
/// trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeDamage {
    /// By disk and offset.
    pub ranges: Vec<DamagedRange>,
    /// There are others, which are not listed.
    pub more: bool,
}

/// Damaged blocks side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DamagedRange {
    /// The id of the disk that does not hold what was written.
    pub disk: String,
    /// The extent, 64 MiB each, from the volume's start.
    pub extent: u64,
    /// The first byte, from the volume's start.
    pub offset: u64,
    /// Bytes, a multiple of 4 KiB.
    pub length: u64,
}
