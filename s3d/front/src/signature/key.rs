//! The key that signs, derived from a secret and a scope (AWS Signature Version 4, step 3).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Signs what one secret signs in one scope: day, region, service.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// The key of a secret for a scope, `<day>/<region>/s3/aws4_request`.
    pub fn derive(secret: &str, scope: &str) -> Self {
        let mut key = Self([0; 32]);
        let mut last = [b"AWS4", secret.as_bytes()].concat();
        for part in scope.split('/') {
            key = Self(mac(&last, part.as_bytes()).finalize().into_bytes().into());
            last.clear();
            last.extend_from_slice(&key.0);
        }
        key
    }

    /// Whether a signature, in lower-case hex, is that of `text`. Takes the same time for every
    /// wrong one.
    pub fn verifies(&self, text: &[u8], signature: &str) -> bool {
        let Some(claimed) = unhex(signature) else {
            return false;
        };
        mac(&self.0, text).verify_slice(&claimed).is_ok()
    }

    /// The signature of `text`, as a client makes it.
    #[cfg(test)]
    pub fn sign(&self, text: &[u8]) -> String {
        hex(&mac(&self.0, text).finalize().into_bytes())
    }
}

fn mac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(text);
    mac
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// The 32 bytes that 64 hex digits stand for.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's documentation, "Deriving a signing key".
    #[test]
    fn aws_example_holds() {
        let key = SigningKey::derive(
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "20120215/us-east-1/iam/aws4_request",
        );
        let expected = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
        assert_eq!(hex(&key.0), expected);
    }

    #[test]
    fn only_its_own_signatures_verify() {
        let key = SigningKey::derive("secret", "20260101/eu/s3/aws4_request");
        let signature = key.sign(b"text");
        assert!(key.verifies(b"text", &signature));
        assert!(!key.verifies(b"test", &signature));
        let other = SigningKey::derive("secret", "20260101/us/s3/aws4_request");
        assert!(!other.verifies(b"text", &signature));
        assert!(!key.verifies(b"text", &signature[1..]));
    }

    #[test]
    fn hex_comes_back() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8 * 8);
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        assert_eq!(unhex("00"), None);
        assert_eq!(unhex(&"g0".repeat(32)), None);
        assert_eq!(unhex(&"é".repeat(32)), None);
    }
}
