//! How a node proves that it holds a join token, to a server that learns nothing which it could use.
//!
//! The token's secret is the seed of an Ed25519 key. The node signs the request with it, bound to
//! the TLS session: whoever the request was sent to, were it a node that was removed and still has its
//! certificate, can send it to nobody else.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// Of what both ends of one TLS session know, and nobody else.
pub const SESSION_LABEL: &[u8] = b"EXPORTER-hayrack-join-1";
const PURPOSE: &[u8] = b"hayrack join 1\0";

/// 32 bytes that both ends of a session derive from it.
pub type Session = [u8; 32];

/// A token's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What the cluster keeps of a token: the public key of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenKey(pub [u8; 32]);

/// A text that is not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of a token has 64 digits of 0-9 and a-f")]
pub struct TokenKeyError;

impl TryFrom<String> for TokenKey {
    type Error = TokenKeyError;

    fn try_from(text: String) -> Result<Self, TokenKeyError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(TokenKeyError)
    }
}

impl From<TokenKey> for String {
    fn from(key: TokenKey) -> Self {
        HEXLOWER.encode(&key.0)
    }
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Secret {
    /// What the cluster keeps of it.
    pub fn key(&self) -> TokenKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair().public_key().as_ref());
        TokenKey(key)
    }

    /// Signs `request` for one session.
    pub fn prove(&self, session: &Session, request: &[u8]) -> Vec<u8> {
        let signature = self.pair().sign(&signed(session, request));
        signature.as_ref().to_vec()
    }

    fn pair(&self) -> Ed25519KeyPair {
        let pair = Ed25519KeyPair::from_seed_unchecked(&self.0);
        pair.expect("every 32 bytes are a seed")
    }
}

impl TokenKey {
    /// Whether the holder of the secret signed `request` for this session.
    pub fn accepts(&self, session: &Session, request: &[u8], proof: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&signed(session, request), proof).is_ok()
    }
}

fn signed(session: &Session, request: &[u8]) -> Vec<u8> {
    [PURPOSE, session, request].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_proof_holds_for_its_secret_session_and_request_only(
            secret: [u8; 32], other: [u8; 32], session: Session, another: Session,
            request: Vec<u8>, changed: Vec<u8>,
        ) {
            let key = Secret(secret).key();
            let proof = Secret(secret).prove(&session, &request);
            prop_assert!(key.accepts(&session, &request, &proof));
            prop_assert_eq!(key.accepts(&another, &request, &proof), another == session);
            prop_assert_eq!(key.accepts(&session, &changed, &proof), changed == request);
            prop_assert_eq!(Secret(other).key() == key, other == secret);
        }

        #[test]
        fn a_key_is_read_as_it_was_written(bytes: [u8; 32], text: String) {
            let key = TokenKey(bytes);
            prop_assert_eq!(TokenKey::try_from(key.to_string()), Ok(key));
            prop_assert!(TokenKey::try_from(text).is_err());
        }
    }
}
