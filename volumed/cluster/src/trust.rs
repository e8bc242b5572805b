//! Whom a node believes: certificates of its cluster's authorities, of nodes that were not removed.
//!
//! Each handshake asks anew, so what changes counts from the next one on. Nothing of a handshake is
//! remembered for a later one (`tls.rs` resumes no session), since that would pass this by.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier, danger::ClientCertVerifier};
use rustls::{CertificateError as Invalid, Error, OtherError, RootCertStore};
use tokio::sync::watch;

use crate::authority::Fingerprint;
use crate::certificate::{CertificateError, NodeCertificate};
use crate::id::{ClusterId, NodeId};

/// Why a node is not believed, though an authority of the cluster signed its certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// Its certificate names no node.
    #[error("the certificate is no node's: {0}")]
    Certificate(#[from] CertificateError),
    /// It is of another cluster.
    #[error("node {node} is of another cluster ({cluster})")]
    OtherCluster {
        /// The node.
        node: NodeId,
        /// Its cluster.
        cluster: ClusterId,
    },
    /// It left the cluster.
    #[error("node {0} was removed from the cluster")]
    Removed(NodeId),
    /// It is not the one that was called.
    #[error("node {found} answered where node {expected} should be")]
    OtherNode {
        /// Who was called.
        expected: NodeId,
        /// Who answered.
        found: NodeId,
    },
    /// A token names the authority, and the one that answered has another.
    #[error("the authority that the token names did not sign the certificate")]
    OtherAuthority,
}

impl From<Stranger> for Error {
    fn from(stranger: Stranger) -> Self {
        Invalid::Other(OtherError(Arc::new(stranger))).into()
    }
}

impl Stranger {
    /// Why a handshake ended, if it was for this.
    pub fn in_error(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidCertificate(Invalid::Other(OtherError(error))) => {
                error.downcast_ref().cloned()
            }
            _ => None,
        }
    }
}

/// Which authorities count; one at least.
#[derive(Debug)]
struct Anchors {
    certificates: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
}

/// Why a list of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorsError {
    /// One of them is no authority's certificate.
    #[error("a certificate of the cluster's authorities cannot be used: {0}")]
    Certificate(#[from] Error),
    /// There is none.
    #[error("the list of the cluster's authorities is empty")]
    Empty,
}

impl Anchors {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, AnchorsError> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider());
        Ok(Self {
            certificates,
            roots,
            clients: clients.build().map_err(|_| AnchorsError::Empty)?,
        })
    }
}

/// The cryptography of all that this crate does with TLS.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Whom the node believes now.
pub struct Trust {
    cluster: ClusterId,
    anchors: RwLock<Arc<Anchors>>,
    removed: watch::Sender<BTreeSet<NodeId>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("cluster", &self.cluster)
            .field("removed", &self.removed.borrow())
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// In nodes of `cluster` that one of `authorities` vouches for, except those that were removed.
    pub fn new(
        cluster: ClusterId,
        authorities: Vec<CertificateDer<'static>>,
        removed: BTreeSet<NodeId>,
    ) -> Result<Self, AnchorsError> {
        Ok(Self {
            cluster,
            anchors: RwLock::new(Arc::new(Anchors::new(authorities)?)),
            removed: watch::Sender::new(removed),
        })
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The authorities' certificates, the one that signs now first.
    pub fn authorities(&self) -> Vec<CertificateDer<'static>> {
        self.anchors.read().certificates.clone()
    }

    /// From now on these authorities count.
    pub fn replace_authorities(
        &self,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<(), AnchorsError> {
        let anchors = Arc::new(Anchors::new(authorities)?);
        *self.anchors.write() = anchors;
        Ok(())
    }

    /// From now on these nodes count no more. Whoever holds connections sees it in [`Trust::removed`].
    pub fn replace_removed(&self, removed: BTreeSet<NodeId>) {
        self.removed.send_if_modified(|known| {
            let changed = *known != removed;
            *known = removed;
            changed
        });
    }

    /// Which nodes count no more, as it changes: connections to one of them have to be closed, since
    /// only handshakes ask.
    pub fn removed(&self) -> watch::Receiver<BTreeSet<NodeId>> {
        self.removed.subscribe()
    }

    /// Who showed this certificate when it connected.
    pub fn check_client(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<NodeId, Error> {
        let clients = self.anchors.read().clients.clone();
        clients.verify_client_cert(certificate, intermediates, now)?;
        Ok(self.member(certificate)?)
    }

    /// Who showed this certificate when it was connected to. The name that it was found under counts for
    /// nothing: nodes have ids.
    pub fn check_server(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<NodeId, Error> {
        let roots = self.anchors.read().roots.clone();
        signed_by(&roots, certificate, intermediates, now)?;
        Ok(self.member(certificate)?)
    }

    fn member(&self, certificate: &CertificateDer<'_>) -> Result<NodeId, Stranger> {
        let NodeCertificate { cluster, node, .. } = NodeCertificate::read(certificate)?;
        if cluster != self.cluster {
            return Err(Stranger::OtherCluster { node, cluster });
        }
        if self.removed.borrow().contains(&node) {
            return Err(Stranger::Removed(node));
        }
        Ok(node)
    }
}

/// Checks who answers a node that knows nothing of the cluster yet but the fingerprint of its authority, whose
/// certificate is sent along.
pub fn check_pinned(
    pinned: Fingerprint,
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let authority = intermediates
        .iter()
        .find(|sent| Fingerprint::of(sent) == pinned)
        .ok_or(Stranger::OtherAuthority)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    signed_by(&roots, certificate, &[], now)?;
    NodeCertificate::read(certificate).map_err(Stranger::Certificate)?;
    Ok(())
}

fn signed_by(
    roots: &RootCertStore,
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let algorithms = provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms.all)
}
