//! One server per state folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held as long as the server lives; the system lets go of it also after a crash.
#[derive(Debug)]
pub struct StateFolder {
    _lock: Flock<File>,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    /// Another server has it.
    #[error(
        "another s3d (process {pid}) already runs on {}; stop it first, or choose another --data",
        .folder.display()
    )]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What the lock file says.
        pid: String,
    },
    /// It cannot be created or written.
    #[error("cannot use {} for the server's state: {source}", .folder.display())]
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
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let file = options.open(folder.join("lock")).map_err(unusable)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                sign(&mut lock).map_err(unusable)?;
                Ok(Self { _lock: lock })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                // Without it the sentence is a little poorer.
                let _ = file.read_to_string(&mut pid);
                let (folder, pid) = (folder.to_owned(), pid.trim().to_owned());
                Err(StateFolderError::Taken { folder, pid })
            }
            Err((_, errno)) => Err(unusable(errno.into())),
        }
    }
}

/// Writes who holds the lock.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
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
        assert!(StateFolder::open(&folder).is_ok());
    }
}
