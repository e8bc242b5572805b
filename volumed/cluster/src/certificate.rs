//! What a node's certificate says.
//!
//! The node's id is in a URI among the certificate's names: `hayrack://CLUSTER/node/ID`.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::id::{ClusterId, NodeId};

/// By how much a node's clock may be behind the signer's: certificates are valid from so long before.
pub const CLOCK_SKEW: u64 = 60 * 60;

/// A node's certificate, read; nobody has checked who signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeCertificate {
    /// Of which cluster.
    pub cluster: ClusterId,
    /// Whose.
    pub node: NodeId,
    /// From when it is valid, in seconds since 1970.
    pub begins: u64,
    /// Until when, in seconds since 1970.
    pub expires: u64,
}

/// Why a certificate is no node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is none at all.
    #[error("it is no X.509 certificate")]
    Unreadable,
    /// It names no node, or several.
    #[error("it names no node of a cluster")]
    NoNode,
    /// Its key is not the key of the node that it names.
    #[error("its key is not that of the node which it names")]
    OtherKey,
}

/// The URI that names a node.
pub fn uri(cluster: ClusterId, node: NodeId) -> String {
    format!("hayrack://{cluster}/node/{node}")
}

fn parse_uri(uri: &str) -> Option<(ClusterId, NodeId)> {
    let (cluster, node) = uri.strip_prefix("hayrack://")?.split_once("/node/")?;
    Some((cluster.parse().ok()?, node.parse().ok()?))
}

impl NodeCertificate {
    /// Reads a certificate.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let (_, parsed) = parse_x509_certificate(der).map_err(|_| CertificateError::Unreadable)?;
        let names = parsed.subject_alternative_name();
        let names = names.map_err(|_| CertificateError::Unreadable)?;
        let mut named = names.iter().flat_map(|names| &names.value.general_names);
        let mut uris = named.by_ref().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let (Some(uri), None) = (uris.next(), uris.next()) else {
            return Err(CertificateError::NoNode);
        };
        let (cluster, node) = parse_uri(uri).ok_or(CertificateError::NoNode)?;
        if node != NodeId::of_key(&parsed.public_key().subject_public_key.data) {
            return Err(CertificateError::OtherKey);
        }
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        Ok(Self {
            cluster,
            node,
            begins: seconds(parsed.validity().not_before.timestamp()),
            expires: seconds(parsed.validity().not_after.timestamp()),
        })
    }

    /// When to renew it, in seconds since 1970: after two thirds of its life, which leaves a month of 90 days
    /// for whatever hinders it.
    pub fn renew_at(&self) -> u64 {
        let signed = self.begins + CLOCK_SKEW;
        signed + self.expires.saturating_sub(signed) / 3 * 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_uri_is_read_as_it_was_written(cluster: u128, node: u128) {
            let (cluster, node) = (ClusterId(cluster), NodeId(node));
            prop_assert_eq!(parse_uri(&uri(cluster, node)), Some((cluster, node)));
        }

        #[test]
        fn what_is_read_of_a_uri_is_written_the_same(text in "(hayrack://)?[0-9a-f/]{0,40}(/node/)?[0-9a-fA-F]{0,40}") {
            if let Some((cluster, node)) = parse_uri(&text) {
                prop_assert_eq!(uri(cluster, node), text);
            }
        }

        #[test]
        fn any_bytes_are_taken_for_a_certificate(bytes: Vec<u8>) {
            prop_assert!(NodeCertificate::read(&bytes.into()).is_err());
        }
    }
}
