//! Verifying a volume: what its replicas hold is compared.

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::client::{AdminClient, AdminError, Empty, volume_path};

/// Asks for a volume's replicas to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StartVerification {
    /// Read the blocks, too, and not only their checksums.
    #[serde(default)]
    pub deep: bool,
    /// Have replicas that differ hold what the one nearest to the head holds and is not damaged.
    #[serde(default)]
    pub repair: bool,
}

/// A verification of a volume that is under way, or the last one. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerificationInfo {
    /// Blocks are read, too, and not only their checksums.
    pub deep: bool,
    /// Replicas that differ are made equal.
    pub repair: bool,
    /// When it was asked for.
    pub begun: u64,
    /// When it came to its end; none if it has not yet.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub ended: Option<u64>,
    /// How many extents the volume has.
    pub extents: u64,
    /// How many of them were looked at.
    pub compared: u64,
    /// Those of them that have fewer than two replicas in sync: there is nothing to compare.
    pub alone: u64,
    /// Regions of 4 MiB that could not be compared, since a replica did not answer.
    pub unknown: u64,
    /// Blocks of 4 KiB that differ.
    pub differing: u64,
    /// How many of these were made equal.
    pub repaired: u64,
    /// Where they differ, by offset; 256 ranges at most.
    pub differences: Vec<DifferingRange>,
}

impl VerificationInfo {
    /// Whether all that could be compared was, and is equal.
    pub fn is_well(&self) -> bool {
        self.ended.is_some() && self.differing == 0 && self.unknown == 0
    }
}

/// Blocks side by side that some replicas hold in another way than the one nearest to the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DifferingRange {
    /// The extent, 64 MiB each, from the volume's start.
    pub extent: u64,
    /// The first byte, from the volume's start.
    pub offset: u64,
    /// Bytes, a multiple of 4 KiB.
    pub length: u64,
    /// The ids of the disks that hold something else.
    pub disks: Vec<String>,
    /// What they hold does not match its checksums.
    pub damaged: bool,
}

impl AdminClient {
    /// Has a volume's replicas compared, by whichever node serves it; one that is under way goes on.
    pub async fn verify_volume(
        &self,
        name: &str,
        wanted: StartVerification,
    ) -> Result<VerificationInfo, AdminError> {
        let path = volume_path(name, "/verification");
        self.call(Method::POST, &path, Some(&wanted)).await
    }

    /// How far the verification of a volume is, or what the last one found.
    pub async fn verification(&self, name: &str) -> Result<VerificationInfo, AdminError> {
        self.get(&volume_path(name, "/verification")).await
    }

    /// Ends the verification that is under way, if one is.
    pub async fn cancel_verification(&self, name: &str) -> Result<(), AdminError> {
        let path = volume_path(name, "/verification");
        self.call::<(), Empty>(Method::DELETE, &path, None).await?;
        Ok(())
    }
}
