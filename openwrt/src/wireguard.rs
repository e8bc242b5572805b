//! The router's key of WireGuard.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::secrets::{Missing, SecretName, Secrets};

/// The private key, as `wg` takes it.
pub fn private_key(secrets: &Secrets) -> Result<&str, Missing> {
    let text = secrets.line(SecretName::WireGuardKey)?;
    bytes(text).map(|_| text)
}

/// The public half, as `wg pubkey` prints it.
pub fn public_key(secrets: &Secrets) -> Result<String, Missing> {
    let private = StaticSecret::from(bytes(private_key(secrets)?)?);
    Ok(BASE64_STANDARD.encode(PublicKey::from(&private)))
}

fn bytes(text: &str) -> Result<[u8; 32], Missing> {
    let malformed = Missing::Malformed(SecretName::WireGuardKey);
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| malformed)?;
    bytes.try_into().map_err(|_| malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(key: &str) -> Secrets {
        Secrets::default().with(SecretName::WireGuardKey, key)
    }

    /// The pair of RFC 7748, section 6.1.
    #[test]
    fn the_public_half_is_that_of_the_standard() {
        let private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n";
        let public = public_key(&secrets(private)).unwrap();
        assert_eq!(public, "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LA==",
            "not base64!",
        ] {
            let refused = private_key(&secrets(text)).unwrap_err();
            assert_eq!(refused, Missing::Malformed(SecretName::WireGuardKey));
        }
    }
}
