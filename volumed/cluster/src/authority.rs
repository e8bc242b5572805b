//! The cluster's certificate authority: who signs the certificates of nodes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams,
    CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, RevokedCertParams,
    SanType, SerialNumber,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use time::OffsetDateTime;

use crate::certificate::{self, CLOCK_SKEW};
use crate::id::{ClusterId, NodeId};
use crate::node::{Issued, NodeName, Place, RemovedNode, Serial};

const DAY: u64 = 24 * 60 * 60;
/// How long an authority lives. Replacing it means to trust two for a while.
const AUTHORITY_LIFE: u64 = 3653 * DAY;
/// How long a node's certificate lives, unless a setting says otherwise.
pub const CERTIFICATE_LIFE: u64 = 90 * DAY;

/// The SHA-256 of an authority's certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of this certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The request for a certificate is not one, or not signed by its own key.
    #[error("the request for a certificate is damaged: {0}")]
    Request(rcgen::Error),
    /// Another kind of key.
    #[error("a node's key is an ECDSA key on P-256; this one is another kind")]
    Kind,
    /// The authority's own certificate or key cannot be used.
    #[error("the cluster's authority cannot be used: {0}")]
    Unusable(#[from] rcgen::Error),
    /// Certificate and key are not each other's.
    #[error("the key is not that of the cluster's authority")]
    OtherKey,
    /// A time that certificates cannot hold.
    #[error("the clock says {0} seconds since 1970, which no certificate can hold; set it")]
    Time(u64),
}

/// Signs; made where there is a CA key.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// For whom a certificate is.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Of which cluster.
    pub cluster: ClusterId,
    /// What it is called.
    pub name: &'a NodeName,
    /// Where it is.
    pub place: &'a Place,
}

/// A node's request for a certificate: of what it asks for only the key counts, which signed it.
#[derive(Debug)]
pub struct SigningRequest(CertificateSigningRequestParams);

impl SigningRequest {
    /// Reads a request (PKCS #10, DER), and checks that its key signed it.
    pub fn read(der: &[u8]) -> Result<Self, AuthorityError> {
        let request = CertificateSigningRequestDer::from(der);
        let request = CertificateSigningRequestParams::from_der(&request);
        let request = request.map_err(AuthorityError::Request)?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(AuthorityError::Kind);
        }
        Ok(Self(request))
    }

    /// A request for whoever has `key`, in DER.
    pub fn write(key: &KeyPair) -> Result<Vec<u8>, AuthorityError> {
        let request = CertificateParams::default().serialize_request(key)?;
        Ok(request.der().to_vec())
    }

    /// Whose it is.
    pub fn node(&self) -> NodeId {
        NodeId::of_key(self.0.public_key.der_bytes())
    }
}

impl Authority {
    /// A new one: its key (PEM) goes with it.
    pub fn create(cluster: ClusterId, now: u64) -> Result<(Self, String), AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let pem = key.serialize_pem();
        let mut params = CertificateParams::default();
        let name = format!("Hayrack cluster {cluster}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(serial(Serial::draw()));
        params.not_before = time(now.saturating_sub(CLOCK_SKEW))?;
        params.not_after = time(now + AUTHORITY_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.der().clone();
        let issuer = Issuer::new(params, key);
        let authority = Self {
            certificate,
            issuer,
        };
        Ok((authority, pem))
    }

    /// The one with this certificate and key (PEM).
    pub fn load(certificate: CertificateDer<'static>, key: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(key)?;
        let parsed = x509_parser::parse_x509_certificate(&certificate);
        let (_, parsed) = parsed.map_err(|_| AuthorityError::OtherKey)?;
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err(AuthorityError::OtherKey);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self {
            certificate,
            issuer,
        })
    }

    /// Its certificate, signed by itself.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for the key of `request`. It is for both ends of a connection, and names the node's
    /// addresses for etcd, which looks at those, and this machine, since etcd also connects to itself.
    pub fn sign(
        &self,
        request: &SigningRequest,
        subject: Subject<'_>,
        issued: Issued,
        now: u64,
    ) -> Result<CertificateDer<'static>, AuthorityError> {
        let node = request.node();
        let mut params = CertificateParams::default();
        let common_name = node.to_string();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.serial_number = Some(serial(issued.serial));
        params.not_before = time(now.saturating_sub(CLOCK_SKEW))?;
        params.not_after = time(issued.expires)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let uri = certificate::uri(subject.cluster, node);
        params.subject_alt_names = vec![
            SanType::URI(uri.try_into()?),
            SanType::DnsName(subject.name.to_string().try_into()?),
            SanType::DnsName("localhost".try_into()?),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ];
        let addresses = subject.place.addresses.iter().copied();
        let addresses = addresses.map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        let certificate = params.signed_by(&request.0.public_key, &self.issuer)?;
        Ok(certificate.der().clone())
    }

    /// The list of certificates that count no more (PEM), in the form that etcd reads it.
    pub fn revoke(&self, removed: &[RemovedNode], now: u64) -> Result<String, AuthorityError> {
        let mut revoked_certs = Vec::new();
        for node in removed {
            for issued in &node.certificates {
                revoked_certs.push(RevokedCertParams {
                    serial_number: serial(issued.serial),
                    revocation_time: time(node.removed)?,
                    reason_code: None,
                    invalidity_date: None,
                });
            }
        }
        let list = CertificateRevocationListParams {
            this_update: time(now.saturating_sub(CLOCK_SKEW))?,
            next_update: time(now + AUTHORITY_LIFE)?,
            crl_number: SerialNumber::from(now),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }
}

fn serial(serial: Serial) -> SerialNumber {
    SerialNumber::from_slice(&serial.to_bytes())
}

fn time(seconds: u64) -> Result<OffsetDateTime, AuthorityError> {
    let signed = i64::try_from(seconds).map_err(|_| AuthorityError::Time(seconds))?;
    OffsetDateTime::from_unix_timestamp(signed).map_err(|_| AuthorityError::Time(seconds))
}
