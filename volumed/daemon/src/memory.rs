//! The memory of this process.

use std::time::Duration;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};

/// Why memory cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum MemoryLockError {
    /// A limit would make later allocations fail, which is worse than being swapped.
    #[error(
        "memory cannot be locked under the limit of {0} bytes: raise it (LimitMEMLOCK=infinity in the \
         unit, or ulimit -l unlimited), or leave lock_memory out"
    )]
    Limited(u64),
    /// The system refused.
    #[error("memory cannot be locked: {0}")]
    Refused(#[from] std::io::Error),
}

/// Keeps what the process uses in memory, now and later, so that answering a write under memory
/// pressure never waits for the write-back of another page.
pub fn lock_memory() -> Result<(), MemoryLockError> {
    if let Some(limit) = getrlimit(Resource::Memlock).current {
        return Err(MemoryLockError::Limited(limit));
    }
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(flags).map_err(|errno| MemoryLockError::Refused(errno.into()))
}

/// Tells the kernel that this process writes blocks for others (prctl(2), `PR_SET_IO_FLUSHER`): its
/// allocations must not wait for write-back into a device that it serves itself. It needs
/// `CAP_SYS_RESOURCE`; without it only a kernel client on the same node under memory pressure is at
/// risk.
pub fn exempt_from_reclaim() -> std::io::Result<()> {
    Ok(rustix::process::configure_io_flusher_behavior(true)?)
}

/// Returns memory that the allocator keeps and nothing uses to the system.
fn return_memory() {
    #[cfg(target_env = "gnu")]
    trim();
}

/// How often memory is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Growth since memory was last returned that makes another attempt worth its time, in bytes.
const WORTH_RETURNING: u64 = 16 << 20;

/// Returns memory whenever the process has grown: what a burst of work needed would otherwise be kept
/// for ever, since the allocator returns only what lies at the end of its arenas. Never ends.
pub async fn return_memory_regularly() {
    let mut least = resident_bytes().unwrap_or(0);
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        let Ok(now) = resident_bytes() else { return };
        least = least.min(now);
        if now < least + WORTH_RETURNING {
            continue;
        }
        // Not on a thread that serves: the allocator's lists are walked whole.
        if tokio::task::spawn_blocking(return_memory).await.is_err() {
            return;
        }
        least = resident_bytes().unwrap_or(now);
    }
}

/// There is no safe wrapper of malloc_trim(3).
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn trim() {
    // SAFETY: it has no preconditions, and may be called from any thread at any time.
    unsafe { libc::malloc_trim(0) };
}

/// Bytes of memory that the process holds now.
pub fn resident_bytes() -> std::io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    let pages: u64 = pages.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_freed_is_returned() {
        // Small pieces: large ones are returned without being asked.
        let pieces: Vec<Vec<u8>> = (0..64_000).map(|_| vec![7; 1024]).collect();
        // The last piece keeps the allocator from shrinking its arena from the end.
        let last = pieces.last().cloned();
        let held = resident_bytes().unwrap();
        drop(pieces);
        return_memory();
        assert!(resident_bytes().unwrap() + (32 << 20) < held);
        drop(last);
    }
}
