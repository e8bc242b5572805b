//! Leave to read extents' files without the daemon, which it can take back at once (V14).

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Leave to read extents' files by oneself.
pub trait Permit: Debug + Send + Sync {
    /// Takes the leave back: what its holder reads once this has returned does not count, however slow
    /// the holder is and without an answer from it.
    fn revoke(&self);
}

/// The permits that a disk must revoke when it fails (V8).
#[derive(Debug, Default)]
pub(crate) struct Permits(Mutex<Vec<Weak<dyn Permit>>>);

impl Permits {
    /// Has `permit` revoked before `failed` is raised, or at once if it has been.
    pub fn add(&self, permit: &Arc<dyn Permit>, failed: &AtomicBool) {
        let mut permits = self.0.lock();
        if failed.load(Ordering::Acquire) {
            return permit.revoke();
        }
        permits.retain(|held| held.strong_count() > 0);
        let permit = Arc::downgrade(permit);
        if !permits.iter().any(|held| held.ptr_eq(&permit)) {
            permits.push(permit);
        }
    }

    /// Revokes all permits and then raises `failed`, so that nobody learns of the failure while
    /// one still stands. Whether this call was the one that raised it.
    pub fn fail(&self, failed: &AtomicBool) -> bool {
        let mut permits = self.0.lock();
        for permit in permits.drain(..).filter_map(|held| held.upgrade()) {
            permit.revoke();
        }
        !failed.swap(true, Ordering::AcqRel)
    }
}
