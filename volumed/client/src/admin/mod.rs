//! The admin API of the volume daemon: what it says and a client that says it.
//!
//! HTTP/1.1 with JSON bodies on an owner-only unix socket. Every refusal is an [`ApiError`]: a code
//! for programs, a sentence for people. Sizes are in bytes.

mod api_error;
mod attach;
mod client;
mod damage;
mod disk;
mod drain;
mod error_code;
mod finding;
mod node;
mod scrub;
mod store;
mod verification;
mod volume;

pub use api_error::ApiError;
pub use attach::{AttachRequest, Attached, DetachRequest, LeaseInfo};
pub use client::{AdminClient, AdminError};
pub use damage::{DamagedRange, VolumeDamage};
pub use disk::{AddDisk, DiskInfo, DiskState, PoolInfo};
pub use drain::{DrainInfo, DrainState};
pub use error_code::ErrorCode;
pub use finding::{Finding, Severity};
pub use node::{ClusterInfo, CreateJoinToken, JoinTokenInfo, NodeInfo, StoreMember};
pub use scrub::{ScrubInfo, ScrubState};
pub use store::{BackUpError, StoreCopies, StoreCopy, StoreInfo};
pub use verification::{DifferingRange, StartVerification, VerificationInfo};
pub use volume::{
    AutoGrow, CreateVolume, GrowVolume, LimitVolume, SetReplicas, StaleReplica, VolumeInfo,
    VolumePage,
};
