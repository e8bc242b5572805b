//! What an update says of itself: `update.toml`, beside the root that it names.

use serde::{Deserialize, Serialize};

use crate::signing::{PrivateKey, PublicKey, Signature};

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
}

impl Manifest {
    /// Reads one, and checks that it is this rack's and for these machines.
    pub fn read(text: &str, key: &PublicKey) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(Box::new)?;
        if !key.has_signed(manifest.signed().as_bytes(), &manifest.signature) {
            return Err(ManifestError::Signature);
        }
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
        Self {
            signature: key.sign(self.signed().as_bytes()),
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
