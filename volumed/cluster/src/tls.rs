//! rustls configurations between nodes: TLS 1.3, both sides with certificates.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    ServerConfig, SignatureScheme,
};

use crate::authority::Fingerprint;
use crate::certificate::NodeCertificate;
use crate::id::NodeId;
use crate::identity::Identity;
use crate::trust::{Stranger, check_pinned, provider};

/// Makes the configurations by which this node speaks with others. A certificate that is renewed, a node that
/// is removed and an authority that is added count in all of them from the next handshake on.
#[derive(Debug, Clone)]
pub struct PeerTls(Arc<Identity>);

impl PeerTls {
    /// For this node.
    pub fn new(identity: Arc<Identity>) -> Self {
        Self(identity)
    }

    /// For connections from other nodes; anybody else is refused. `protocol` (ALPN) keeps one service from
    /// being taken for another.
    pub fn server(&self, protocol: &[u8]) -> Result<Arc<ServerConfig>, Error> {
        self.serve(protocol, true)
    }

    /// For connections from nodes, and from others who show no certificate.
    pub(crate) fn open_server(&self, protocol: &[u8]) -> Result<Arc<ServerConfig>, Error> {
        self.serve(protocol, false)
    }

    fn serve(&self, protocol: &[u8], mandatory: bool) -> Result<Arc<ServerConfig>, Error> {
        let clients = Clients {
            identity: self.0.clone(),
            mandatory,
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(clients))
            .with_cert_resolver(self.0.clone());
        config.alpn_protocols = vec![protocol.to_vec()];
        // A resumed session would pass by the check of who was removed.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// For a connection to `node` and nobody else. rustls wants a name of the server, too: any will do.
    pub fn client(&self, node: NodeId, protocol: &[u8]) -> Result<Arc<ClientConfig>, Error> {
        self.connect(Some(node), protocol)
    }

    /// For a connection to any node of the cluster.
    pub(crate) fn any_client(&self, protocol: &[u8]) -> Result<Arc<ClientConfig>, Error> {
        self.connect(None, protocol)
    }

    fn connect(
        &self,
        expected: Option<NodeId>,
        protocol: &[u8],
    ) -> Result<Arc<ClientConfig>, Error> {
        let servers = Servers::Nodes {
            identity: self.0.clone(),
            expected,
        };
        client_config(servers, Some(self.0.clone()), protocol)
    }
}

/// For a node that joins: of the server it knows the fingerprint of the authority alone.
pub(crate) fn joining_client(
    authority: Fingerprint,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, Error> {
    client_config(Servers::Pinned(authority), None, protocol)
}

fn client_config(
    servers: Servers,
    own: Option<Arc<dyn ResolvesClientCert>>,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(servers));
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(own),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// Which node is at the other end, once the handshake is over: its certificate was checked then. Nobody, if it
/// showed none.
pub fn peer(connection: &CommonState) -> Option<NodeId> {
    let certificate = connection.peer_certificates()?.first()?;
    NodeCertificate::read(certificate)
        .ok()
        .map(|read| read.node)
}

#[derive(Debug)]
struct Clients {
    identity: Arc<Identity>,
    mandatory: bool,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let trust = &self.identity.trust;
        trust.check_client(certificate, intermediates, now)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

enum Servers {
    Nodes {
        identity: Arc<Identity>,
        expected: Option<NodeId>,
    },
    Pinned(Fingerprint),
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes { expected, .. } => f.debug_tuple("Nodes").field(expected).finish(),
            Self::Pinned(authority) => f.debug_tuple("Pinned").field(authority).finish(),
        }
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self {
            Self::Nodes { identity, expected } => {
                let trust = &identity.trust;
                let found = trust.check_server(certificate, intermediates, now)?;
                match expected {
                    Some(expected) if *expected != found => {
                        let expected = *expected;
                        return Err(Stranger::OtherNode { expected, found }.into());
                    }
                    _ => {}
                }
            }
            Self::Pinned(authority) => {
                check_pinned(*authority, certificate, intermediates, now)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

fn verify_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
}

fn schemes() -> Vec<SignatureScheme> {
    provider()
        .signature_verification_algorithms
        .supported_schemes()
}
