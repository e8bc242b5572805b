//! Who this node is to others: its key, and the certificate that is in force.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use tokio::sync::watch;

use crate::certificate::{CertificateError, NodeCertificate};
use crate::trust::{Trust, provider};

/// This node, as it shows itself in every handshake, and whom it believes.
pub struct Identity {
    /// Whom it believes.
    pub trust: Trust,
    key: Arc<dyn SigningKey>,
    in_force: RwLock<InForce>,
    renewed: watch::Sender<NodeCertificate>,
}

#[derive(Clone)]
struct InForce {
    shown: Arc<CertifiedKey>,
    certificate: NodeCertificate,
}

/// Why a node cannot show itself.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Its certificate is no node's.
    #[error("this node's certificate cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// Its key is none.
    #[error("this node's key cannot be used")]
    Key,
    /// They are not each other's.
    #[error("this node's certificate is for another key")]
    Unfit(#[source] rustls::Error),
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate", &self.certificate())
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// With a key (PEM) and the certificate for it.
    pub fn new(
        key: &str,
        certificate: CertificateDer<'static>,
        trust: Trust,
    ) -> Result<Self, IdentityError> {
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| IdentityError::Key)?;
        let key = provider().key_provider.load_private_key(key);
        let key = key.map_err(|_| IdentityError::Key)?;
        let in_force = show(key.clone(), certificate, &trust)?;
        Ok(Self {
            trust,
            key,
            renewed: watch::Sender::new(in_force.certificate),
            in_force: RwLock::new(in_force),
        })
    }

    /// From the next handshake on it shows this certificate; its key stays.
    pub fn replace_certificate(
        &self,
        certificate: CertificateDer<'static>,
    ) -> Result<(), IdentityError> {
        let in_force = show(self.key.clone(), certificate, &self.trust)?;
        let certificate = in_force.certificate;
        *self.in_force.write() = in_force;
        self.renewed.send_replace(certificate);
        Ok(())
    }

    /// Changes with the certificate, for those who hold a copy of it, as a client of etcd does.
    pub fn renewed(&self) -> watch::Receiver<NodeCertificate> {
        self.renewed.subscribe()
    }

    /// What the certificate in force says.
    pub fn certificate(&self) -> NodeCertificate {
        self.in_force.read().certificate
    }

    /// The same, in DER: for another process of this node.
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.shown().cert[0].clone()
    }

    fn shown(&self) -> Arc<CertifiedKey> {
        self.in_force.read().shown.clone()
    }
}

/// The authorities' certificates are shown as well: a node that joins knows only the fingerprint of one.
fn show(
    key: Arc<dyn SigningKey>,
    certificate: CertificateDer<'static>,
    trust: &Trust,
) -> Result<InForce, IdentityError> {
    let read = NodeCertificate::read(&certificate)?;
    let mut chain = vec![certificate];
    chain.extend(trust.authorities());
    let shown = CertifiedKey::new(chain, key);
    shown.keys_match().map_err(IdentityError::Unfit)?;
    Ok(InForce {
        shown: Arc::new(shown),
        certificate: read,
    })
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
