//! TLS from certificate files, which can be read again while connections are served. There may be several certificates in
//! them: each client is shown the one for the name that it asks for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use serde::Serialize;
use tokio_rustls::TlsAcceptor;
use volumed_daemon::{PemError, read_certificates, read_private_keys};

use super::certificates::{Certificates, CertificatesError};

/// Where certificate and key are; the names are those of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlsFiles {
    /// Certificate chains (PEM), in each the server's own first.
    pub tls_certificate: PathBuf,
    /// Their private keys (PEM); it may be the same file.
    pub tls_key: PathBuf,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not what it must be.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Certificates and keys do not belong together, or one of them cannot be understood.
    #[error(
        "the keys of {} and the certificates of {} cannot be used: {source}",
        .files.tls_key.display(), .files.tls_certificate.display()
    )]
    Unfit {
        /// Both.
        files: TlsFiles,
        /// Why.
        source: CertificatesError,
    },
}

/// The certificates in force.
#[derive(Debug, Clone)]
pub struct Tls(Arc<RwLock<Loaded>>);

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    expires: SystemTime,
}

impl Tls {
    /// Reads the files.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(Loaded::read(files)?))))
    }

    /// Reads the files again, for connections from now on. After an error the former certificates stay.
    pub fn reload(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let loaded = Loaded::read(files)?;
        *self.0.write() = loaded;
        Ok(())
    }

    /// When the first of the certificates expires.
    pub fn expires(&self) -> SystemTime {
        self.0.read().expires
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.read().config.clone())
    }
}

impl Loaded {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let chains = read_certificates(&files.tls_certificate)?;
        let keys = read_private_keys(&files.tls_key)?;
        let unfit = |source| TlsError::Unfit {
            files: files.clone(),
            source,
        };
        let provider = Arc::new(ring::default_provider());
        let certificates = Certificates::pair(chains, keys, &provider).map_err(unfit)?;
        let expires = certificates.expire();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(error.into()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            expires,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    /// A certificate for localhost and its key, in files of `folder`.
    pub fn self_signed(folder: &Path, name: &str) -> TlsFiles {
        self_signed_for(folder, name, "localhost")
    }

    /// The same for another name.
    pub fn self_signed_for(folder: &Path, name: &str, host: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        let files = TlsFiles {
            tls_certificate: folder.join(format!("{name}.crt")),
            tls_key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.tls_certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.tls_key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn files_that_do_not_fit_are_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (
            self_signed(folder.path(), "first"),
            self_signed(folder.path(), "second"),
        );
        let sentence = |tls_certificate: &Path, tls_key: &Path| {
            let files = TlsFiles {
                tls_certificate: tls_certificate.to_owned(),
                tls_key: tls_key.to_owned(),
            };
            Tls::load(&files).unwrap_err().to_string()
        };
        let mixed = sentence(&first.tls_certificate, &second.tls_key);
        assert!(mixed.contains("no key fits"), "{mixed}");
        let swapped = sentence(&first.tls_key, &first.tls_key);
        assert!(swapped.contains("holds no certificate"), "{swapped}");
        let swapped = sentence(&first.tls_certificate, &first.tls_certificate);
        assert!(swapped.contains("holds no private key"), "{swapped}");
        let absent = sentence(Path::new("/nowhere"), &first.tls_key);
        assert!(absent.contains("/nowhere"), "{absent}");
    }

    #[test]
    fn a_reload_that_fails_leaves_the_certificate_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let files = self_signed(folder.path(), "own");
        let tls = Tls::load(&files).unwrap();
        let expires = tls.expires();
        assert!(expires > SystemTime::now());
        std::fs::write(&files.tls_certificate, "nonsense").unwrap();
        tls.reload(&files).unwrap_err();
        assert_eq!(tls.expires(), expires);
    }
}
