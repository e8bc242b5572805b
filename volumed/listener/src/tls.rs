//! TLS with client certificates, from files that can be read again while connections are served.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Serialize;
use volumed_daemon::{PemError, read_certificates, read_private_key};

/// The files, all of them PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    #[serde(rename = "nbd_tls_certificate")]
    pub certificate: PathBuf,
    /// Its private key.
    #[serde(rename = "nbd_tls_key")]
    pub key: PathBuf,
    /// Who must have signed the certificates of clients.
    #[serde(rename = "nbd_tls_client_ca")]
    pub client_ca: PathBuf,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it must be.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key is another certificate's, or of a kind that is not supported.
    #[error("the key {} does not fit the certificate {}: {source}", .key.display(), .certificate.display())]
    Unfit {
        /// The key.
        key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Nobody's certificate could be checked with it.
    #[error("the client CA {} cannot be used: {why}", .path.display())]
    ClientCa {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// What is in force.
#[derive(Debug, Clone)]
pub struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl Tls {
    /// Reads the files.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(read_config(files)?))))
    }

    /// Reads the files again, for connections from now on. After an error all stays as it was.
    pub fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let config = read_config(files)?;
        *self.0.write() = config;
        Ok(())
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.0.read().clone()
    }
}

fn read_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let client_ca = &files.client_ca;
    let unusable = |why: String| TlsError::ClientCa {
        path: client_ca.clone(),
        why,
    };
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(client_ca)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = verifier.build();
    let verifier = verifier.map_err(|error| unusable(error.to_string()))?;

    let chain = read_certificates(&files.certificate)?;
    let key = read_private_key(&files.key)?;
    let unfit = |source| TlsError::Unfit {
        key: files.key.clone(),
        certificate: files.certificate.clone(),
        source,
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    Ok(Arc::new(config))
}
