//! Room on disks.

use serde::Serialize;
use utoipa::ToSchema;

/// Room on disks, in bytes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "their names say the unit")]
pub struct RoomView {
    /// What can be held, less the reserve.
    capacity_bytes: u64,
    /// What volumes hold.
    used_bytes: u64,
    /// What can still be written.
    free_bytes: u64,
}

impl RoomView {
    pub fn new(capacity_bytes: u64, used_bytes: u64, free_bytes: u64) -> Self {
        Self {
            capacity_bytes,
            used_bytes,
            free_bytes,
        }
    }
}
