//! The server's certificates, and which of them a client is shown.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::extensions::GeneralName;

/// Why certificates and keys make no pairs.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// A key that nobody can sign with.
    #[error("a key is of a kind that is not supported: {0}")]
    Key(rustls::Error),
    /// A certificate that is none.
    #[error("a certificate cannot be read")]
    Unreadable,
    /// The first certificate is nobody's.
    #[error("no key fits the first certificate")]
    NoKey,
    /// A key is nobody's.
    #[error("{0} of {1} keys fit no certificate")]
    NoCertificate(usize, usize),
    /// TLS itself cannot be had.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Certificates with their keys. The first is for clients whose name none is for, or that ask for none.
#[derive(Debug)]
pub struct Certificates {
    first: Certificate,
    others: Vec<Certificate>,
}

#[derive(Debug)]
struct Certificate {
    /// In small letters; an asterisk in front of the first dot stands for one label.
    names: Vec<String>,
    expires: SystemTime,
    chain: Arc<CertifiedKey>,
}

impl Certificates {
    /// Pairs chains with keys: a chain begins at each certificate that one of the keys fits, and goes on to the next.
    pub fn pair(
        chains: Vec<CertificateDer<'static>>,
        keys: Vec<PrivateKeyDer<'static>>,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificatesError> {
        let load = |key| provider.key_provider.load_private_key(key);
        let keys: Result<Vec<_>, _> = keys.into_iter().map(load).collect();
        let mut keys = keys.map_err(CertificatesError::Key)?;
        let count = keys.len();
        let mut pairs: Vec<CertifiedKey> = Vec::new();
        for certificate in chains {
            match (take_fitting(&mut keys, &certificate), pairs.last_mut()) {
                (Some(key), _) => pairs.push(CertifiedKey::new(vec![certificate], key)),
                (None, Some(pair)) => pair.cert.push(certificate),
                (None, None) => return Err(CertificatesError::NoKey),
            }
        }
        if !keys.is_empty() {
            return Err(CertificatesError::NoCertificate(keys.len(), count));
        }
        let mut certificates = pairs.into_iter().map(Certificate::of);
        Ok(Self {
            first: certificates.next().ok_or(CertificatesError::NoKey)??,
            others: certificates.collect::<Result<_, _>>()?,
        })
    }

    /// When the first of them expires.
    pub fn expire(&self) -> SystemTime {
        let others = self.others.iter().map(|certificate| certificate.expires);
        others.fold(self.first.expires, SystemTime::min)
    }

    /// The one for a host.
    fn of_host(&self, host: &str) -> &Certificate {
        let host = host.to_ascii_lowercase();
        let fitting = self.others.iter().find(|other| other.is_for(&host));
        fitting
            .filter(|_| !self.first.is_for(&host))
            .unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = client.server_name().unwrap_or_default();
        Some(self.of_host(host).chain.clone())
    }
}

impl Certificate {
    fn of(pair: CertifiedKey) -> Result<Self, CertificatesError> {
        let (names, expires) = names_and_expiry(pair.end_entity_cert()?)?;
        Ok(Self {
            names,
            expires,
            chain: Arc::new(pair),
        })
    }

    fn is_for(&self, host: &str) -> bool {
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(rest) => Some(rest) == parent,
            None => name == host,
        })
    }
}

fn names_and_expiry(
    certificate: &CertificateDer<'_>,
) -> Result<(Vec<String>, SystemTime), CertificatesError> {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    let (_, parsed) = parsed.map_err(|_| CertificatesError::Unreadable)?;
    let seconds = parsed.validity().not_after.timestamp();
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let hosts = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Ok((hosts.collect(), UNIX_EPOCH + seconds))
}

/// Takes the key of a certificate out of all keys, if it is there.
fn take_fitting(
    keys: &mut Vec<Arc<dyn SigningKey>>,
    certificate: &CertificateDer<'static>,
) -> Option<Arc<dyn SigningKey>> {
    let fits = |key: &Arc<dyn SigningKey>| {
        let pair = CertifiedKey::new(vec![certificate.clone()], key.clone());
        pair.keys_match().is_ok()
    };
    let position = keys.iter().position(fits)?;
    Some(keys.remove(position))
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    use super::*;

    type Pair = (CertificateDer<'static>, PrivateKeyDer<'static>);

    fn self_signed(names: &[&str]) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        (made.cert.der().clone(), key.into())
    }

    fn pair(
        chains: Vec<CertificateDer<'static>>,
        keys: Vec<PrivateKeyDer<'static>>,
    ) -> Result<Certificates, CertificatesError> {
        Certificates::pair(chains, keys, &ring::default_provider())
    }

    #[test]
    fn a_client_is_shown_the_certificate_for_its_name() {
        let (rack, rack_key) = self_signed(&["s3.example.org", "*.s3.example.org"]);
        let (home, home_key) = self_signed(&["home.s3.example.org", "*.Home.s3.example.org"]);
        // Keys need not be in the order of their certificates.
        let both = pair(vec![rack.clone(), home.clone()], vec![home_key, rack_key]).unwrap();
        for (host, own) in [
            ("s3.example.org", &rack),
            ("photos.s3.example.org", &rack),
            ("photos.home.s3.example.org", &home),
            ("PHOTOS.home.S3.example.org", &home),
            // A name of both is the first one's.
            ("home.s3.example.org", &rack),
            ("a.photos.home.s3.example.org", &rack),
            ("photos.other.s3.example.org", &rack),
            ("", &rack),
        ] {
            assert_eq!(&both.of_host(host).chain.cert[0], own, "{host}");
        }
    }

    #[test]
    fn what_no_key_fits_belongs_to_the_chain_before_it() {
        let (own, key) = self_signed(&["a"]);
        let (issuer, _) = self_signed(&["b"]);
        let (second, second_key) = self_signed(&["c"]);
        let chains = vec![own, issuer.clone(), second];
        let both = pair(chains, vec![key, second_key]).unwrap();
        assert_eq!(both.first.chain.cert[1], issuer);
        assert_eq!(both.others.len(), 1);
    }

    #[test]
    fn what_has_no_other_half_is_refused() {
        let ((own, key), (_, stranger)) = (self_signed(&["a"]), self_signed(&["b"]));
        let refused = pair(vec![own.clone()], vec![stranger.clone_key()]).unwrap_err();
        assert!(matches!(refused, CertificatesError::NoKey), "{refused}");
        let refused = pair(vec![own], vec![key, stranger]).unwrap_err();
        assert_eq!(refused.to_string(), "1 of 2 keys fit no certificate");
    }

    #[test]
    fn they_expire_with_the_first_that_does() {
        let ((own, key), (other, other_key)) = (self_signed(&["a"]), self_signed(&["b"]));
        let mut both = pair(vec![own, other], vec![key, other_key]).unwrap();
        both.others[0].expires = UNIX_EPOCH;
        assert_eq!(both.expire(), UNIX_EPOCH);
    }
}
