//! What the metadata store holds of volumes and disks, and copies of it.

pub(crate) mod copies;
mod copying;
pub(crate) mod damage;
pub(crate) mod disk_record;
mod elsewhere;
pub(crate) mod format;
pub(crate) mod import;
pub(crate) mod lost;
pub(crate) mod placements;
pub(crate) mod recorded;
pub(crate) mod records;
pub(crate) mod restore;
pub(crate) mod state;
