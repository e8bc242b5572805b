//! Who has a volume, and for how long its node may serve it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// [`ServedElsewhere`](super::ErrorCode::ServedElsewhere), and nobody loses it.
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

/// How long the node may serve what nobody else does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeaseInfo {
    /// Milliseconds from when it was asked; absent where there is no cluster, so that nobody else may.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub left: Option<u64>,
}
