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

/// The allocator's arenas. It would make eight for each processor, and what a thread freed in its own
/// would be of no use to the others: with four, the peak of s3d is two thirds of that.
#[cfg(target_env = "gnu")]
const ARENAS: libc::c_int = 4;

/// Bounds what the allocator keeps for threads. To be called before there are any.
pub fn share_arenas() {
    #[cfg(target_env = "gnu")]
    gnu::share_arenas();
}

/// How often memory is looked at.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Unused memory, beyond what could not be returned last time, that makes another attempt worth its
/// time, in bytes.
const WORTH_RETURNING: u64 = 8 << 20;

/// Returns memory whenever the allocator holds more of it that nothing uses: what a burst of work
/// needed would otherwise be kept for ever, since the allocator returns only what lies at the end of
/// its arenas. Never ends.
pub async fn return_memory_regularly() {
    let mut least = None;
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        // Not on a thread that serves: the allocator's lists are walked whole.
        match tokio::task::spawn_blocking(move || return_memory(least)).await {
            Ok(left) => least = left,
            Err(_) => return,
        }
    }
}

/// Returns what nothing uses when that is worth its time. `least`: the least unused memory so far; the
/// answer is the same from now on.
fn return_memory(least: Option<u64>) -> Option<u64> {
    let unused = unused_bytes()?;
    match least {
        Some(least) if unused >= least + WORTH_RETURNING => {
            #[cfg(target_env = "gnu")]
            gnu::trim();
            unused_bytes()
        }
        least => Some(least.unwrap_or(unused).min(unused)),
    }
}

/// Bytes that the process holds and nothing allocated; the program itself is among them. `None` where
/// the allocator does not say.
fn unused_bytes() -> Option<u64> {
    #[cfg(target_env = "gnu")]
    return Some(resident_bytes().ok()?.saturating_sub(gnu::used_bytes()));
    #[cfg(not(target_env = "gnu"))]
    None
}

/// What glibc's allocator is asked; there are no safe wrappers of these.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
mod gnu {
    pub fn share_arenas() {
        // SAFETY: it only sets a number. It can be refused, and the default stays.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, super::ARENAS) };
    }

    /// malloc_trim(3).
    pub fn trim() {
        // SAFETY: it has no preconditions, and may be called from any thread at any time.
        unsafe { libc::malloc_trim(0) };
    }

    /// Bytes that are allocated now.
    pub fn used_bytes() -> u64 {
        // SAFETY: as above; the answer is a plain structure.
        let info = unsafe { libc::mallinfo2() };
        (info.uordblks + info.hblkhd) as u64
    }
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
        return_memory(Some(0));
        assert!(resident_bytes().unwrap() + (32 << 20) < held);
        drop(last);
    }
}
