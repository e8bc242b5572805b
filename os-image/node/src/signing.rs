//! Who vouches for an update: signatures, and the keys that make and check them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// An Ed25519 signature: 64 bytes, in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(String);

/// An Ed25519 public key: 32 bytes, in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicKey([u8; 32]);

/// An Ed25519 key that signs: PKCS#8, in base64.
pub struct PrivateKey {
    text: String,
    pair: Ed25519KeyPair,
}

/// A key is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no key of an update")]
pub struct NoKey(String);

impl Signature {
    /// Nobody's, for a manifest that is to be signed.
    pub fn missing() -> Self {
        Self(String::new())
    }
}

impl PrivateKey {
    /// A new one.
    pub fn draw() -> Result<Self, NoKey> {
        let random = SystemRandom::new();
        let bytes = Ed25519KeyPair::generate_pkcs8(&random);
        let bytes = bytes.map_err(|_| NoKey("no random number".to_owned()))?;
        Self::read(&STANDARD.encode(bytes))
    }

    /// Reads what [`Self::text`] gave.
    pub fn read(text: &str) -> Result<Self, NoKey> {
        let text = text.trim();
        let bytes = STANDARD.decode(text).ok();
        let pair = bytes.and_then(|bytes| Ed25519KeyPair::from_pkcs8(&bytes).ok());
        let pair = pair.ok_or_else(|| NoKey("the file".to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            pair,
        })
    }

    /// Its text, which is secret.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Vouches for a text.
    pub fn sign(&self, text: &[u8]) -> Signature {
        Signature(STANDARD.encode(self.pair.sign(text)))
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PrivateKey of {}", self.public())
    }
}

impl PublicKey {
    /// Whether the signature of a text is by the private key of this one.
    pub fn has_signed(&self, text: &[u8], signature: &Signature) -> bool {
        let signature = STANDARD.decode(&signature.0);
        signature.is_ok_and(|signature| {
            let key = UnparsedPublicKey::new(&ED25519, self.0);
            key.verify(text, &signature).is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&STANDARD.encode(self.0))
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = NoKey;

    fn try_from(text: String) -> Result<Self, NoKey> {
        let bytes = STANDARD.decode(&text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NoKey(text))
    }
}
