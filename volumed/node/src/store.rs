//! What the metadata store holds of volumes and disks, and copies of it.

pub(crate) mod copies;
pub(crate) mod damage;
pub(crate) mod format;
pub(crate) mod lost;
pub(crate) mod placements;
pub(crate) mod records;
pub(crate) mod restore;
pub(crate) mod state;
