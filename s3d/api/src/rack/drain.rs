//! How far a disk or a node is emptied.

use std::convert::From;

use s3d_accounts::clock;
use s3d_bucket::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use volumed_client::admin::{DrainInfo, DrainState};

/// How far a disk, or a node with all its disks, is emptied.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainView {
    /// `moving`; `waitingForRoom`: nothing else has room; `diskFailed`: it, or one to move to; `serving`, of a node:
    /// nothing is on its disks any more, but it serves buckets; `drained`; `unknown`.
    state: &'static str,
    begun: String,
    /// What it held then and does not hold any more.
    moved_bytes: u64,
    /// What it still holds.
    left_bytes: u64,
    /// How much longer it takes, when that is known.
    seconds_left: Option<u64>,
}

impl From<DrainInfo> for DrainView {
    fn from(drain: DrainInfo) -> Self {
        Self {
            state: match drain.state {
                DrainState::Moving => "moving",
                DrainState::WaitingForRoom => "waitingForRoom",
                DrainState::DiskFailed => "diskFailed",
                DrainState::Serving => "serving",
                DrainState::Drained => "drained",
                DrainState::Unknown => "unknown",
            },
            begun: clock::text(Timestamp(drain.begun.saturating_mul(1_000))),
            moved_bytes: drain.moved,
            left_bytes: drain.left,
            seconds_left: drain.seconds_left,
        }
    }
}
