//! Certificates and keys from files in PEM form.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a file of certificates or with a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what it must be.
    #[error("{} holds no {what} in PEM form", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
}

/// The certificates of a file, in their order; at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, pem::Error>>()
        .unwrap_or_default();
    if certificates.is_empty() {
        return Err(malformed(path, "certificate"));
    }
    Ok(certificates)
}

/// The private key of a file.
pub fn read_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| malformed(path, "private key"))
}

/// The private keys of a file, in their order; at least one.
pub fn read_private_keys(path: &Path) -> Result<Vec<PrivateKeyDer<'static>>, PemError> {
    let keys = PrivateKeyDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, pem::Error>>()
        .unwrap_or_default();
    if keys.is_empty() {
        return Err(malformed(path, "private key"));
    }
    Ok(keys)
}

fn malformed(path: &Path, what: &'static str) -> PemError {
    PemError::Malformed {
        path: path.to_owned(),
        what,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    std::fs::read(path).map_err(|source| PemError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
