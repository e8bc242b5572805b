//! One daemon per state folder.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

/// Bytes that the daemon's own state needs, for the most part the log of the metadata store. Without
/// them the store would fail later, with an error that says nothing of space.
const NEEDED_BYTES: u64 = 4 << 20;

/// Held as long as the daemon lives; the system releases it also after a crash.
#[derive(Debug)]
pub struct StateFolder {
    _lock: File,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFolderError {
    /// Another daemon has it.
    #[error(
        "another {daemon} (process {pid}) already runs on {}; stop it first, or choose another --data",
        .folder.display()
    )]
    Taken {
        /// The daemon's name.
        daemon: &'static str,
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
    /// Creates the folder if it is absent, for its owner alone, and locks it for `daemon`.
    pub fn open(folder: &Path, daemon: &'static str) -> Result<Self, StateFolderError> {
        let unusable = |source| StateFolderError::Unusable {
            folder: folder.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(unusable)?;
        let space = rustix::fs::statvfs(folder).map_err(|errno| unusable(errno.into()))?;
        if space.f_bavail * space.f_frsize < NEEDED_BYTES {
            return Err(StateFolderError::Full(folder.to_owned()));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {
                write_holder(&mut file).map_err(unusable)?;
                Ok(Self { _lock: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Without it the sentence is a little poorer.
                let _ = file.read_to_string(&mut pid);
                Err(StateFolderError::Taken {
                    daemon,
                    folder: folder.to_owned(),
                    pid: pid.trim().to_owned(),
                })
            }
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

/// Whether files beside `path` can be written; the sentence says why not.
pub fn check_writable(path: &Path) -> Result<(), String> {
    let space = rustix::fs::statvfs(path).map_err(|errno| errno.to_string())?;
    if space.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err("its file system is read-only".to_owned());
    }
    if space.f_bavail == 0 {
        return Err("its file system is full".to_owned());
    }
    Ok(())
}

fn write_holder(file: &mut File) -> io::Result<()> {
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
        let first = StateFolder::open(&folder, "volumed").unwrap();
        let refusal = StateFolder::open(&folder, "volumed")
            .unwrap_err()
            .to_string();
        let expected = format!("another volumed (process {})", std::process::id());
        assert!(refusal.starts_with(&expected), "{refusal}");
        drop(first);
        StateFolder::open(&folder, "volumed").unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        std::fs::write(&path, "").unwrap();
        let refusal = StateFolder::open(&path, "s3d").unwrap_err().to_string();
        assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
    }

    #[test]
    fn a_full_file_system_is_named() {
        // It has room for nothing.
        let refusal = StateFolder::open(Path::new("/proc"), "s3d").unwrap_err();
        assert!(matches!(refusal, StateFolderError::Full(_)), "{refusal}");
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        assert_eq!(
            check_writable(Path::new("/proc")).unwrap_err(),
            "its file system is full"
        );
        assert!(check_writable(Path::new("/nowhere")).is_err());
        check_writable(&std::env::temp_dir()).unwrap();
    }
}
