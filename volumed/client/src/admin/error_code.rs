use serde::{Deserialize, Serialize};

/// Why the admin API refused a call, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The body is not the JSON that the call takes.
    InvalidRequest,
    /// The name is not one that a volume can have.
    InvalidName,
    /// The size is not one that a volume can have.
    InvalidSize,
    /// The pool cannot keep that many replicas.
    InvalidReplicas,
    /// The owner is empty or too long.
    InvalidOwner,
    /// No volume has that name.
    VolumeNotFound,
    /// A volume has that name already.
    VolumeExists,
    /// The volume is attached: detach it first.
    VolumeAttached,
    /// The volume is attached to somebody else, or to nobody.
    NotOwner,
    /// No disk has that id.
    DiskNotFound,
    /// The directory is a disk of the pool already.
    DiskExists,
    /// The disk is not in a state in which this can be done.
    DiskState,
    /// The directory cannot be a disk of this pool, or not now.
    DiskUnusable,
    /// The pool has no room.
    NoSpace,
    /// The metadata store cannot be reached or failed.
    StoreUnavailable,
    /// A disk failed.
    Io,
    /// The daemon has no file descriptor or memory left just now: worth another try.
    Exhausted,
    /// The daemon is stopping.
    ShuttingDown,
    /// There is no such call.
    NoSuchCall,
    /// A defect of the daemon; its log says more.
    Internal,
    /// A code of a newer daemon.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The HTTP status that goes with the code.
    pub fn http_status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::InvalidName
            | Self::InvalidSize
            | Self::InvalidReplicas
            | Self::InvalidOwner => 400,
            Self::VolumeNotFound | Self::DiskNotFound | Self::NoSuchCall => 404,
            Self::VolumeExists
            | Self::VolumeAttached
            | Self::NotOwner
            | Self::DiskExists
            | Self::DiskState
            | Self::DiskUnusable => 409,
            Self::NoSpace => 507,
            Self::StoreUnavailable | Self::Exhausted | Self::ShuttingDown => 503,
            Self::Io | Self::Internal | Self::Unknown => 500,
        }
    }
}
