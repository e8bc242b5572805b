//! What nodes take as an update: a root, and a manifest that is signed with the rack's update key.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hayrack_node::update::Manifest;
use hayrack_node::{NoKey, PrivateKey, Signature};
use sha2::{Digest as _, Sha256};

/// Why there is no update.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// A file cannot be used.
    #[error("cannot use {}: {source}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key is none.
    #[error("{} holds no update key: {source}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: NoKey,
    },
    /// There is no key.
    #[error(
        "there is no update key in {}: nodes take only updates that are signed with the key of their first image. Name \
         its file (--update-key or UPDATE_KEY); for the first image of a rack, --found NODE draws one", .0.display()
    )]
    NoKey(PathBuf),
    /// The root has no name.
    #[error("{} is no file of a root", .0.display())]
    NoRoot(PathBuf),
}

/// The update key in a file, of which a rack has one for all its images.
pub fn update_key(path: &Path) -> Result<PrivateKey, UpdateError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => UpdateError::NoKey(path.to_owned()),
        _ => file_error(path, source),
    })?;
    PrivateKey::read(&text).map_err(|source| UpdateError::Key {
        path: path.to_owned(),
        source,
    })
}

/// The same; if there is no file yet, a key is drawn and written, which only its owner may read.
pub fn draw_update_key(path: &Path) -> Result<PrivateKey, UpdateError> {
    match update_key(path) {
        Err(UpdateError::NoKey(_)) => {}
        read => return read,
    }
    let key = PrivateKey::draw().map_err(|source| UpdateError::Key {
        path: path.to_owned(),
        source,
    })?;
    write_new(path, &key).map_err(|source| file_error(path, source))?;
    Ok(key)
}

fn write_new(path: &Path, key: &PrivateKey) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = File::options();
    let mut file = file.write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.text())?;
    file.sync_all()
}

/// The signed manifest of a root.
pub fn manifest(
    root: &Path,
    version: &str,
    arch: &str,
    key: &PrivateKey,
) -> Result<Manifest, UpdateError> {
    let name = root.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| UpdateError::NoRoot(root.to_owned()))?;
    let (bytes, sha256) = sum(root).map_err(|source| file_error(root, source))?;
    let manifest = Manifest {
        version: version.to_owned(),
        arch: arch.to_owned(),
        root: name.to_owned(),
        bytes,
        sha256,
        signature: Signature::missing(),
    };
    Ok(manifest.sign(key))
}

fn file_error(path: &Path, source: io::Error) -> UpdateError {
    UpdateError::File {
        path: path.to_owned(),
        source,
    }
}

fn sum(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok((bytes, hex::encode(digest.finalize())));
        }
        digest.update(&chunk[..count]);
        bytes += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_drawn_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/key");
        let first = draw_update_key(&path).unwrap().public();
        assert_eq!(draw_update_key(&path).unwrap().public(), first);
        assert_eq!(update_key(&path).unwrap().public(), first);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(&path, "no key").unwrap();
        for used in [update_key, draw_update_key] {
            let error = used(&path).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "no key");
    }

    #[test]
    fn no_key_is_drawn_unless_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let error = update_key(&path).unwrap_err().to_string();
        assert!(error.contains("--found NODE draws one"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_node_takes_the_manifest_of_its_racks_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = draw_update_key(&folder.path().join("key")).unwrap();
        let root = folder.path().join("root.squashfs");
        fs::write(&root, "abc").unwrap();
        let own = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        };
        let manifest = manifest(&root, "0.2.0", own, &key).unwrap();
        assert_eq!(
            (manifest.bytes, manifest.root.as_str()),
            (3, "root.squashfs")
        );
        assert!(manifest.sha256.starts_with("ba7816bf"));
        let text = toml::to_string(&manifest).unwrap();
        assert_eq!(Manifest::read(&text, &key.public()).unwrap(), manifest);
    }
}
