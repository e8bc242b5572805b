//! The line of `authorized_keys` by which the router brings certificates to the nodes.

use openwrt::{Missing, SecretName, Secrets};
use rack_model::Rack;
use rack_model::names::NameError;

use crate::secrets::{ReadError, Reader};

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A secret has a name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The router's key cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no key.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// The line, if the router brings certificates.
pub fn line(rack: &Rack, reader: &Reader<'_>) -> Result<Option<String>, LineError> {
    let mut secrets = Secrets::default();
    if openwrt::brings_certificates(rack) {
        let name = SecretName::CertificateKey;
        if let Some(key) = reader.get(&name.as_str().parse()?)? {
            secrets = secrets.with(name, key);
        }
    }
    Ok(openwrt::certificate_line(rack, &secrets)?)
}
