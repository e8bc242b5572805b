//! A node's own secrets: random keys of 32 bytes in files that only their owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::random;

/// Length of a key in bytes.
pub const LENGTH: usize = 32;

/// One key of a file.
pub type SecretKey = [u8; LENGTH];

/// Why a node's secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be made or read.
    #[error("cannot read or write the secret file {}: {source}", .path.display())]
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
    #[error(
        "the secret file {} does not hold keys of {LENGTH} bytes; restore it from a backup with \
         s3d secrets restore", .0.display()
    )]
    Damaged(PathBuf),
}

impl SecretFileError {
    fn of(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// The keys in the file, the one in use first; a file with a new key is made if there is none.
pub fn read_or_make(path: &Path) -> Result<Vec<SecretKey>, SecretFileError> {
    match File::open(path) {
        Ok(file) => read(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(SecretFileError::of(path)(error)),
    }
}

/// Makes the file with a new key, unless another process makes it at the same time: whatever either seals, both can open.
fn make(path: &Path) -> Result<Vec<SecretKey>, SecretFileError> {
    let folder = folder_of(path);
    // Unlocked when it is closed.
    let _locked = fs::create_dir_all(folder)
        .and_then(|()| File::open(folder))
        .and_then(|folder| folder.lock().map(|()| folder))
        .map_err(SecretFileError::of(path))?;
    if let Ok(file) = File::open(path) {
        return read(path, file);
    }
    let key = random::bytes();
    write(path, &[key])?;
    Ok(vec![key])
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn read(path: &Path, mut file: File) -> Result<Vec<SecretKey>, SecretFileError> {
    let metadata = file.metadata().map_err(SecretFileError::of(path))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(SecretFileError::Exposed(path.to_owned()));
    }
    let damaged = || SecretFileError::Damaged(path.to_owned());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|_| damaged())?;
    match bytes.as_chunks() {
        (keys @ ([_] | [_, _]), []) => Ok(keys.to_vec()),
        _ => Err(damaged()),
    }
}

/// Replaces the file's keys. A crash leaves the old file or the new one: it gets its name when its
/// content is durable.
pub fn write(path: &Path, keys: &[SecretKey]) -> Result<(), SecretFileError> {
    replace(path, &keys.concat()).map_err(SecretFileError::of(path))
}

/// Replaces a file that only its owner may read, whole or not at all.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("unfinished");
    // Not one that is there already: it may be open to others.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
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
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        write(&path, &[[1; LENGTH], made[0]]).unwrap();
        assert_eq!(read_or_make(&path).unwrap(), [[1; LENGTH], made[0]]);
    }

    #[test]
    fn all_who_make_it_at_once_have_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(format!("{round}/a.secret"));
            let makers: Vec<_> = (0..4)
                .map(|_| path.clone())
                .map(|path| std::thread::spawn(move || read_or_make(&path).unwrap()))
                .collect();
            let made = makers.into_iter().map(|maker| maker.join().unwrap());
            let stays = read_or_make(&path);
            for secret in made {
                assert_eq!(secret, *stays.as_ref().unwrap());
            }
        }
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
        for content in [&b""[..], b"short", &[0; 33], &[0; 96]] {
            fs::write(&path, content).unwrap();
            let refused = read_or_make(&path);
            assert!(matches!(refused, Err(SecretFileError::Damaged(_))));
        }
    }
}
