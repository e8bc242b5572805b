//! One daemon per state folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::statvfs;

/// Room that the daemon's own state must find, in bytes: the store's log, mostly. Without it the
/// store would fail later, with an error that says nothing of space.
const NEEDED: u64 = 4 << 20;

/// Held as long as the daemon lives; the system lets go of it also after a crash.
#[derive(Debug)]
pub struct StateFolder {
    _lock: Flock<File>,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    /// Another daemon has it.
    #[error(
        "another volumed (process {pid}) already runs on {}; stop it first, or choose another --data",
        .folder.display()
    )]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What the lock file says.
        pid: String,
    },
    /// Its file system is full.
    #[error(
        "the file system of {} is full: free some space, or choose another --data", .0.display()
    )]
    Full(PathBuf),
    /// It cannot be created or written.
    #[error("cannot use {} for the daemon's state: {source}", .folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl StateFolder {
    /// Creates the folder if it is absent, for its owner alone, and locks it.
    pub fn open(folder: &Path) -> Result<Self, StateFolderError> {
        let unusable = |source| StateFolderError::Unusable {
            folder: folder.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(unusable)?;
        let space = statvfs(folder).map_err(|errno| unusable(errno.into()))?;
        if space.blocks_available() * space.fragment_size() < NEEDED {
            return Err(StateFolderError::Full(folder.to_owned()));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(unusable)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let folder = folder.to_owned();
                return Err(StateFolderError::Taken {
                    folder,
                    pid: pid.trim().to_owned(),
                });
            }
            Err((_, errno)) => return Err(unusable(errno.into())),
        };
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut lock).map_err(unusable)?;
        Ok(Self { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_is_refused_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let first = StateFolder::open(&folder).unwrap();
        let refusal = StateFolder::open(&folder).unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("process {}", std::process::id())),
            "{refusal}"
        );
        drop(first);
        StateFolder::open(&folder).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        std::fs::write(&path, "").unwrap();
        let refusal = StateFolder::open(&path).unwrap_err().to_string();
        assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
    }
}
