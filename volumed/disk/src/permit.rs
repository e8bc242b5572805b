//! Leave to read extents' files past the daemon, which it can take back at once (V14).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rustix::fs::MemfdFlags;

/// A file in memory that holds one byte while its holder may read extents' files.
///
/// A reader looks at it after each read: what it read while the byte was there, it read before the
/// permit was revoked. So a revocation counts from the moment at which it is made, however slow
/// the reader is and without an answer from it.
#[derive(Debug)]
pub struct Permit(File);

impl Permit {
    /// A permit that stands until it is revoked or dropped.
    pub fn new() -> std::io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("permit", MemfdFlags::CLOEXEC)?);
        file.write_all_at(&[1], 0)?;
        Ok(Self(file))
    }

    /// What its holder is given.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Takes the leave back.
    pub fn revoke(&self) {
        if let Err(error) = self.0.set_len(0) {
            tracing::error!(%error, "a permit to read extents' files could not be revoked");
        }
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        !matches!(self.0.read_at(&mut [0], 0), Ok(1))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.revoke();
    }
}

/// The permits that a disk must revoke when it fails (V8).
#[derive(Debug, Default)]
pub(crate) struct Permits(Mutex<Vec<Weak<Permit>>>);

impl Permits {
    /// Has `permit` revoked before `failed` is raised, or at once if it has been.
    pub fn add(&self, permit: &Arc<Permit>, failed: &AtomicBool) {
        let mut permits = self.0.lock();
        if failed.load(Ordering::Acquire) {
            return permit.revoke();
        }
        permits.retain(|held| held.strong_count() > 0);
        permits.push(Arc::downgrade(permit));
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
