use serde::{Deserialize, Serialize};

/// What is known to be damaged or lost of a volume: reading it is an error until it is written whole or
/// trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeDamage {
    /// The damaged ones by disk and offset, then the lost ones by offset.
    pub ranges: Vec<DamagedRange>,
    /// There are others, which are not listed.
    pub more: bool,
}

/// Damaged or lost blocks side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DamagedRange {
    /// The id of the disk that does not hold what was written; none if it was lost with a disk that left
    /// the pool.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required))]
    pub disk: Option<String>,
    /// The extent, 64 MiB each, from the volume's start.
    pub extent: u64,
    /// The first byte, from the volume's start.
    pub offset: u64,
    /// Bytes, a multiple of 4 KiB.
    pub length: u64,
}
