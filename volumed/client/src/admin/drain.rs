use serde::{Deserialize, Serialize};

/// How far a disk, or a node with all its disks, is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DrainInfo {
    /// What is being done.
    pub state: DrainState,
    /// When it was begun, in seconds since 1970.
    pub begun: u64,
    /// Bytes of what it held then that it does not hold any more.
    pub moved: u64,
    /// Bytes that it still holds.
    pub left: u64,
    /// How much longer it takes, when that can be told.
    pub seconds_left: Option<u64>,
}

/// What the drain of a disk or a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DrainState {
    /// Extents are being moved.
    Moving,
    /// No other disk has room: it goes on once there is some.
    WaitingForRoom,
    /// The disk, or one to move to, failed: it goes on once it was taken back.
    DiskFailed,
    /// Of a node: nothing is on its disks any more, but it serves volumes, whose clients have to go elsewhere.
    Serving,
    /// Nothing is there any more.
    Drained,
    /// A state of a newer daemon.
    #[serde(other)]
    Unknown,
}
