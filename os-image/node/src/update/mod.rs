//! Updates: a whole new root for the slot that does not run, tried once, kept if the daemons come up with it.
//!
//! | step | what a power cut leaves |
//! |---|---|
//! | the other slot is recorded as incomplete | the running slot |
//! | the root is written, synced, read back; kernel and initrd beside it | the running slot, the other incomplete |
//! | the other slot is recorded as whole, then as on trial | the running slot |
//! | it is started once | the running slot, which finds that the trial failed |
//! | the daemons are ready in time: it becomes the default | either slot, both whole |

mod apply;
mod manifest;
mod record;
mod source;
mod status;
mod trial;

pub use apply::{ApplyError, apply, try_written};
pub use manifest::{Manifest, ManifestError};
pub use record::{Content, Outcome, Record, RecordError};
pub use status::{Status, StatusError, status};
pub use trial::{SwitchError, confirm, rollback, trial};
