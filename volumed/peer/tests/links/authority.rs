//! Certificates as a cluster gives them to its nodes.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use volumed_peer::{NodeId, Security, Tls};

/// A node whose certificate is as good as any, and which may have no links.
pub const REMOVED: NodeId = NodeId(0xdead);

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What one node trusts and shows.
struct Shown {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Of a node whose certificate names it.
    pub fn security(&self, node: NodeId) -> Security {
        self.showing(node, self)
    }

    /// Of a node that trusts this authority, and shows a certificate of another one.
    pub fn showing(&self, node: NodeId, signer: &Self) -> Security {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.as_ref().der().clone()).unwrap();
        let roots = Arc::new(roots);
        let (chain, key) = signer.sign(node);
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        Security::Tls(Arc::new(Shown {
            client: Arc::new(client),
            server: Arc::new(server),
        }))
    }

    fn sign(&self, node: NodeId) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec![name(node)]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone()], key)
    }
}

fn name(node: NodeId) -> String {
    format!("n{node}.test")
}

impl Tls for Shown {
    fn client(&self, node: NodeId, _: SocketAddr) -> (Arc<ClientConfig>, ServerName<'static>) {
        let name = ServerName::try_from(name(node)).unwrap();
        (self.client.clone(), name)
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// The name stands in the certificate as it is.
    fn node(&self, certificates: &[CertificateDer<'_>]) -> Option<NodeId> {
        let text = String::from_utf8_lossy(certificates.first()?);
        let (before, _) = text.split_once(".test")?;
        let id = before.get(before.len().checked_sub(32)?..)?;
        let node = NodeId(u128::from_str_radix(id, 16).ok()?);
        (node != REMOVED).then_some(node)
    }
}
