//! A node's own secrets: 32 random bytes in a file that only its owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::random;

/// Length in bytes.
pub const LENGTH: usize = 32;

/// Why a node's secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be made or read.
    #[error("cannot read or make the secret file {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Others may read the file.
    #[error("others may read the secret file {path}; run: chmod 600 {path}", path = .0.display())]
    Exposed(PathBuf),
    /// The file is not one that this program wrote.
    #[error("the secret file {} does not have {LENGTH} bytes; restore it from a backup", .0.display())]
    Damaged(PathBuf),
}

/// The secret in the file, made anew if there is none.
pub fn read_or_make(path: &Path) -> Result<[u8; LENGTH], SecretFileError> {
    let failed = |source| SecretFileError::File {
        path: path.to_owned(),
        source,
    };
    match File::open(path) {
        Ok(file) => read(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn read(path: &Path, mut file: File) -> Result<[u8; LENGTH], SecretFileError> {
    let failed = |source| SecretFileError::File {
        path: path.to_owned(),
        source,
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(SecretFileError::Exposed(path.to_owned()));
    }
    let damaged = || SecretFileError::Damaged(path.to_owned());
    if metadata.len() != LENGTH as u64 {
        return Err(damaged());
    }
    let mut secret = [0; LENGTH];
    file.read_exact(&mut secret).map_err(|_| damaged())?;
    Ok(secret)
}

/// A crash leaves the whole file or none: it gets its name when its content is durable.
fn make(path: &Path) -> io::Result<[u8; LENGTH]> {
    let secret = random::bytes();
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("unfinished");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/a.secret");
        let made = read_or_make(&path).unwrap();
        assert_eq!(read_or_make(&path).unwrap(), made);
        assert_ne!(read_or_make(&folder.path().join("b.secret")).unwrap(), made);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn an_open_file_or_a_short_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.secret");
        read_or_make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read_or_make(&path).unwrap_err();
        assert!(matches!(refused, SecretFileError::Exposed(_)));
        assert!(refused.to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(
            read_or_make(&path),
            Err(SecretFileError::Damaged(_))
        ));
    }
}
