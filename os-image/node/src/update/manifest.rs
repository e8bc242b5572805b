//! What an update says of itself: `update.toml`, beside the root that it names.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// An update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of which version it is.
    pub version: String,
    /// For which machines, as Debian calls them: amd64 or arm64.
    pub arch: String,
    /// The file with the root, beside this one.
    pub root: String,
    /// The root's size.
    pub bytes: u64,
    /// The root's SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Who vouches for all of the above.
    pub signature: Signature,
}

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

/// Why an update is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read.
    #[error("the update's manifest cannot be read: {0}")]
    Parse(#[from] Box<toml::de::Error>),
    /// Nobody vouches for it.
    #[error(
        "the update is not signed by this rack's key: build it with the key that the rack's image was built with"
    )]
    Signature,
    /// It is for other machines.
    #[error("the update is for {found}, and this node is {wanted}: take the image for {wanted}")]
    Arch {
        /// What it is for.
        found: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// A key is none.
    #[error("{0} is no key of an update")]
    Key(String),
}

impl Manifest {
    /// Reads one, and checks that it is this rack's and for these machines.
    pub fn read(text: &str, key: &PublicKey) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(Box::new)?;
        let signature = STANDARD.decode(&manifest.signature.0);
        let signature = signature.map_err(|_| ManifestError::Signature)?;
        UnparsedPublicKey::new(&ED25519, key.0)
            .verify(manifest.signed().as_bytes(), &signature)
            .map_err(|_| ManifestError::Signature)?;
        if manifest.arch != arch() {
            return Err(ManifestError::Arch {
                found: manifest.arch,
                wanted: arch(),
            });
        }
        Ok(manifest)
    }

    /// The same, signed.
    pub fn sign(self, key: &PrivateKey) -> Self {
        let signature = key.pair.sign(self.signed().as_bytes());
        Self {
            signature: Signature(STANDARD.encode(signature)),
            ..self
        }
    }

    /// What the signature is of: no two updates have the same, since no line holds the end of one.
    fn signed(&self) -> String {
        let lines = [
            "hayrack update 1",
            &self.version,
            &self.arch,
            &self.root,
            &self.bytes.to_string(),
            &self.sha256,
        ];
        lines.map(|line| line.replace('\n', " ")).join("\n")
    }
}

impl Signature {
    /// Nobody's, for a manifest that is to be signed.
    pub fn missing() -> Self {
        Self(String::new())
    }
}

impl PrivateKey {
    /// A new one.
    pub fn draw() -> Result<Self, ManifestError> {
        let random = SystemRandom::new();
        let bytes = Ed25519KeyPair::generate_pkcs8(&random);
        let bytes = bytes.map_err(|_| ManifestError::Key("no random number".to_owned()))?;
        Self::read(&STANDARD.encode(bytes))
    }

    /// Reads what [`Self::text`] gave.
    pub fn read(text: &str) -> Result<Self, ManifestError> {
        let text = text.trim();
        let bytes = STANDARD.decode(text).ok();
        let pair = bytes.and_then(|bytes| Ed25519KeyPair::from_pkcs8(&bytes).ok());
        let pair = pair.ok_or_else(|| ManifestError::Key("the file".to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            pair,
        })
    }

    /// Its text, which is secret.
    pub fn text(&self) -> &str {
        &self.text
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
    type Error = ManifestError;

    fn try_from(text: String) -> Result<Self, ManifestError> {
        let bytes = STANDARD.decode(&text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(ManifestError::Key(text))
    }
}

/// What Debian calls this machine.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            version: "0.2.0".to_owned(),
            arch: arch().to_owned(),
            root: "root.squashfs".to_owned(),
            bytes: 4096,
            sha256: "00".repeat(32),
            signature: Signature::missing(),
        }
    }

    fn read(manifest: &Manifest, key: &PrivateKey) -> Result<Manifest, ManifestError> {
        Manifest::read(&toml::to_string(manifest).unwrap(), &key.public())
    }

    #[test]
    fn a_signed_manifest_is_taken() {
        let key = PrivateKey::draw().unwrap();
        let key = PrivateKey::read(key.text()).unwrap();
        let signed = manifest().sign(&key);
        assert_eq!(read(&signed, &key).unwrap(), signed);
    }

    #[test]
    fn what_was_changed_or_is_anothers_is_not() {
        let key = PrivateKey::draw().unwrap();
        let signed = manifest().sign(&key);
        let changed = [
            Manifest {
                version: "0.1.0".to_owned(),
                ..signed.clone()
            },
            Manifest {
                bytes: 4097,
                ..signed.clone()
            },
            Manifest {
                sha256: "01".repeat(32),
                ..signed.clone()
            },
            Manifest {
                root: "other".to_owned(),
                ..signed.clone()
            },
            manifest(),
        ];
        for changed in changed {
            let refused = read(&changed, &key);
            assert!(
                matches!(refused, Err(ManifestError::Signature)),
                "{changed:?}"
            );
        }
        let other = PrivateKey::draw().unwrap();
        assert!(matches!(
            read(&signed, &other),
            Err(ManifestError::Signature)
        ));
    }

    #[test]
    fn an_update_for_other_machines_is_named() {
        let key = PrivateKey::draw().unwrap();
        let other = Manifest {
            arch: "riscv64".to_owned(),
            ..manifest()
        };
        let error = read(&other.sign(&key), &key).unwrap_err().to_string();
        assert!(
            error.contains("riscv64") && error.contains(arch()),
            "{error}"
        );
    }
}
