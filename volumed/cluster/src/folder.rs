//! `DATA/cluster`: what this node is, on its disk. Files are replaced as a whole, durably, and only their owner
//! may read them.
//!
//! | file | what |
//! |---|---|
//! | `node.json` | [`Own`]: this node |
//! | `node.key`, `node.crt` | its key and certificate |
//! | `ca.crt` | the cluster's authorities, the one that signs first |
//! | `ca.key` | the key of the first, where this node may sign |
//! | `members.json` | [`Members`]: the nodes as last seen in the store, which it is reached by |
//! | `removed.crl` | certificates of removed nodes, for etcd; where this node may sign |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, NodeId, NodeNumber};
use crate::node::{Node, NodeName, Place, RemovedNode, VERSION};

/// What a node knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// [`VERSION`].
    pub version: u32,
    /// Of which cluster it is.
    pub cluster: ClusterId,
    /// Its id.
    pub node: NodeId,
    /// Its number.
    pub number: NodeNumber,
    /// What people call it.
    pub name: NodeName,
    /// Where it is.
    pub place: Place,
}

/// The nodes as the store had them last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// [`VERSION`].
    pub version: u32,
    /// Every node, also this one.
    pub nodes: Vec<Node>,
    /// Those that were removed: they are refused also before the store answers.
    pub removed: Vec<RemovedNode>,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read or written.
    #[error("cannot use {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} is damaged ({why}): take it from a backup, or remove the folder and join again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file of a newer program.
    #[error("{} was written by a newer volumed (form {version}): install that", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        version: u32,
    },
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Of the daemon whose state is in `data`; it need not exist.
    pub fn of(data: &Path) -> Self {
        Self(data.join("cluster"))
    }

    /// Makes it, for its owner alone.
    pub fn create(&self) -> Result<(), FolderError> {
        let make = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0);
        make.and_then(|()| sync_folder(self.0.parent().unwrap_or(Path::new("/"))))
            .map_err(|source| io_error(&self.0, source))
    }

    /// The path of one of its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of a file, if there is one.
    pub fn text(&self, name: &str) -> Result<Option<String>, FolderError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error(&path, source)),
        }
    }

    /// The text of a file that must be there.
    pub fn needed(&self, name: &str) -> Result<String, FolderError> {
        let text = self.text(name)?;
        text.ok_or_else(|| self.damaged(name, "it is missing"))
    }

    /// The certificates of a file; one at least.
    pub fn certificates(&self, name: &str) -> Result<Vec<CertificateDer<'static>>, FolderError> {
        let text = self.needed(name)?;
        read_certificates(&text).ok_or_else(|| self.damaged(name, "it holds no certificates"))
    }

    /// A record, if there is one.
    pub fn record<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, FolderError> {
        #[derive(Deserialize)]
        struct Form {
            version: u32,
        }
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let damaged = |error: serde_json::Error| self.damaged(name, &error.to_string());
        let form: Form = serde_json::from_str(&text).map_err(damaged)?;
        if form.version > VERSION {
            return Err(FolderError::Newer {
                path: self.path(name),
                version: form.version,
            });
        }
        serde_json::from_str(&text).map(Some).map_err(damaged)
    }

    /// Puts a record into a file's place.
    pub fn write_record<T: Serialize>(&self, name: &str, record: &T) -> Result<(), FolderError> {
        let text = serde_json::to_string_pretty(record);
        let text = text.map_err(|error| self.damaged(name, &error.to_string()))?;
        self.write(name, &format!("{text}\n"))
    }

    /// Puts a text into a file's place, durably: after a power cut the file is the old one or the new.
    pub fn write(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let (path, new) = (self.path(name), self.path(&format!("{name}.new")));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            sync_folder(&self.0)
        };
        write().map_err(|source| io_error(&path, source))
    }

    fn damaged(&self, name: &str, why: &str) -> FolderError {
        FolderError::Damaged {
            path: self.path(name),
            why: why.to_owned(),
        }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn io_error(path: &Path, source: io::Error) -> FolderError {
    FolderError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Certificates in PEM; one at least.
pub(crate) fn read_certificates(text: &str) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    certificates.ok().filter(|list| !list.is_empty())
}

/// Certificates as PEM.
pub(crate) fn write_certificates(certificates: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        let body = data_encoding::BASE64.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in body.as_bytes().chunks(64) {
            text.extend(line.iter().map(|letter| char::from(*letter)));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_owner_may_read_what_is_in_the_folder() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path());
        folder.create().unwrap();
        folder.write("node.key", "secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.0), 0o700);
        assert_eq!(mode(&folder.path("node.key")), 0o600);
        assert_eq!(folder.needed("node.key").unwrap(), "secret");
    }

    #[test]
    fn damaged_and_newer_records_are_told_apart() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path());
        folder.create().unwrap();
        assert!(folder.record::<Members>("members.json").unwrap().is_none());
        folder.write("members.json", "{\"version\": 2}").unwrap();
        let newer = folder.record::<Members>("members.json").unwrap_err();
        assert!(matches!(newer, FolderError::Newer { version: 2, .. }));
        folder.write("members.json", "{\"version\": 1}").unwrap();
        let damaged = folder.record::<Members>("members.json").unwrap_err();
        assert!(matches!(damaged, FolderError::Damaged { .. }));
    }

    proptest! {
        #[test]
        fn certificates_are_read_as_they_were_written(ders: Vec<Vec<u8>>) {
            let certificates: Vec<_> = ders.into_iter().map(CertificateDer::from).collect();
            let read = read_certificates(&write_certificates(&certificates));
            prop_assert_eq!(read.unwrap_or_default(), certificates);
        }
    }
}
