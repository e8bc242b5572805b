//! The volumes of a node on its disks: [`Volumes`] runs the core's machines on threads, disks and the
//! metadata store. Volumes are created, attached, opened for a client as an [`Export`], and deleted;
//! disks are added, drained, scrubbed and removed. Names and settings come in checked; what there is
//! goes out as views, and each operation has an error of its own.

mod activity;
mod clock;
mod disks;
mod error;
mod hosting;
mod machine;
mod name;
mod nodes;
mod scrub;
mod start;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod view;
mod volume;
mod volumes;

pub use activity::{Activity, VolumeActivity};
pub use disks::open_extents::OpenExtents;
pub use disks::work::DiskWork;
pub use error::{
    AttachError, BackUpError, ChangeDiskError, CreateVolumeError, DeleteVolumeError, DetachError,
    GrowVolumeError, LimitVolumeError, OpenExportError, RecordError, SetReplicasError,
    ShowVolumeError, StartError,
};
pub use hosting::Hosting;
pub use name::{
    Access, ExportName, InvalidExportName, InvalidOwnerId, InvalidVolumeName, OwnerId, VolumeName,
};
pub use nodes::{NodeView, OwnNode};
pub use scrub::ScrubSettings;
pub use store::import::{ImportStoreError, import_store};
pub use store::restore::{Loss, RestoreError, Restored, go_on_with, restore, restore_into_cluster};
pub use verify::{Scope, Verification, VerifiedDifference, VerifyVolumeError};
pub use view::{
    Attachment, CopyView, DamageView, DamagedRange, DiskCopiesView, DiskSettings, DiskState,
    DiskView, DrainState, DrainView, PoolView, ScrubState, ScrubView, StaleView, StoreView,
    VolumeView,
};
pub use volume::auto_grow::AutoGrow;
pub use volume::create::AUTO_REPLICAS;
pub use volume::export::Export;
pub use volume::token::{InvalidToken, Token};
pub use volumes::Volumes;
