//! Secrets at rest: XChaCha20-Poly1305 under the node key, with the name of what is sealed as
//! associated data, so that a sealed secret is of use under its own name only.
//!
//! A sealed secret is `<id of the key>.<base64 of nonce, ciphertext and tag>`; without the id and the
//! dot it is one of the first version. `seal.secret` holds the node key; while the key is rotated it
//! holds two, the new one first, and both open. The record `s3d/seal` names the key that seals, and
//! each record with a sealed secret is written under the condition that it stands: so nobody seals
//! with a key that is on its way out, in whichever process.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use parking_lot::RwLock;
use s3d_records::{RecordError, Records, absent, put, unchanged};
use sha2::{Digest as _, Sha256};
use volumed_meta::{Change, Compare};

use super::random;
use super::secret_file::{self, SecretFileError, SecretKey};

const NONCE: usize = 24;

/// The name of the node key's file.
pub const FILE: &str = "seal.secret";

/// The record that names the key which seals.
pub const SEALS: &str = "s3d/seal";

/// Why nothing can be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The store's secrets were sealed with another key.
    #[error(
        "the secrets in the metadata store are sealed with another key than the one in {path}: \
         restore that one with s3d secrets restore"
    )]
    OtherKey {
        /// The node key's file.
        path: String,
    },
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// One key.
struct SealKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

impl SealKey {
    fn new(key: &SecretKey) -> Self {
        Self {
            id: key_id(key),
            cipher: XChaCha20Poly1305::new(key.into()),
        }
    }

    fn seal(&self, name: &str, secret: &str) -> String {
        let nonce: [u8; NONCE] = random::bytes();
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: name.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a short text is sealed");
        let bytes = [&nonce[..], &sealed].concat();
        format!("{}.{}", self.id, BASE64.encode(bytes))
    }

    fn open(&self, name: &str, sealed: &str) -> Option<String> {
        let (id, sealed) = sealed.split_once('.').unwrap_or((&self.id, sealed));
        if id != self.id {
            return None;
        }
        let bytes = BASE64.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let secret = self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
        String::from_utf8(secret).ok()
    }
}

/// Names a key without revealing it: 16 hex digits.
pub fn key_id(key: &SecretKey) -> String {
    hex::encode(&Sha256::digest(key)[..8])
}

/// A sealed secret, and under which condition it may be stored.
pub struct Sealed {
    pub text: String,
    /// Holds while the key that sealed it is the one that seals.
    pub guard: Compare,
    /// What else to store: at the first use of a store, which key seals in it.
    pub first_use: Option<Change>,
}

/// The key that seals, by its id, and how to be sure that it still does.
struct Sealing {
    id: String,
    guard: Compare,
    first_use: Option<Change>,
}

/// The node key.
pub struct Seal {
    path: PathBuf,
    keys: RwLock<Vec<SealKey>>,
}

impl Seal {
    /// Reads the node key from a folder, or makes it.
    pub fn read_or_make(folder: &Path) -> Result<Self, SecretFileError> {
        let path = folder.join(FILE);
        let keys = RwLock::new(read(&path)?);
        Ok(Self { path, keys })
    }

    /// Seals a secret that is called `name`.
    pub async fn seal(
        &self,
        records: &Records,
        name: &str,
        secret: &str,
    ) -> Result<Sealed, SealError> {
        let sealing = self.sealing(records).await?;
        let keys = self.keys.read();
        let key = keys.iter().find(|key| key.id == sealing.id);
        let key = key.ok_or_else(|| self.other_key())?;
        Ok(Sealed {
            text: key.seal(name, secret),
            guard: sealing.guard,
            first_use: sealing.first_use,
        })
    }

    /// Whether the node key is the one that the store's secrets are sealed with.
    pub async fn check(&self, records: &Records) -> Result<(), SealError> {
        self.sealing(records).await.map(|_| ())
    }

    /// The secret, if it was sealed under this name with this node's key. One that does not open
    /// may be sealed with a key that another process has just made: then the file is read again.
    pub fn open(&self, name: &str, sealed: &str) -> Option<String> {
        let open = || {
            self.keys
                .read()
                .iter()
                .find_map(|key| key.open(name, sealed))
        };
        open().or_else(|| self.reload().then(open).flatten())
    }

    /// Which key seals: the one that the record names, or else the first, which it names then.
    async fn sealing(&self, records: &Records) -> Result<Sealing, SealError> {
        let Some(stored) = records.get::<String>(SEALS).await? else {
            let id = self.keys.read()[0].id.clone();
            return Ok(Sealing {
                guard: absent(SEALS),
                first_use: Some(put(SEALS, &id)),
                id,
            });
        };
        let has = || self.keys.read().iter().any(|key| key.id == stored.record);
        if has() || (self.reload() && has()) {
            return Ok(Sealing {
                guard: unchanged(SEALS, &stored),
                first_use: None,
                id: stored.record,
            });
        }
        Err(self.other_key())
    }

    fn other_key(&self) -> SealError {
        SealError::OtherKey {
            path: self.path.display().to_string(),
        }
    }

    fn reload(&self) -> bool {
        match read(&self.path) {
            Ok(keys) => {
                *self.keys.write() = keys;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the node key cannot be read again");
                false
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<SealKey>, SecretFileError> {
    let keys = secret_file::read_or_make(path)?;
    Ok(keys.iter().map(SealKey::new).collect())
}

/// Opens a secret with one key and seals it with another; `None` when it does not open.
pub fn reseal(name: &str, sealed: &str, old: &SecretKey, new: &SecretKey) -> Option<String> {
    let secret = SealKey::new(old).open(name, sealed)?;
    Some(SealKey::new(new).seal(name, &secret))
}

/// Whether a secret is sealed with a key, by its id.
pub fn is_sealed_with(key: &SecretKey, sealed: &str) -> bool {
    sealed
        .split_once('.')
        .is_some_and(|(id, _)| id == key_id(key))
}

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seal").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_same_name_and_key_open_it() {
        let key = SealKey::new(&[1; 32]);
        let sealed = key.seal("HR1", "secret");
        assert_eq!(key.open("HR1", &sealed).as_deref(), Some("secret"));
        assert_eq!(key.open("HR2", &sealed), None);
        assert_eq!(SealKey::new(&[2; 32]).open("HR1", &sealed), None);
        assert_ne!(key.seal("HR1", "secret"), sealed);
        // As the first version wrote it.
        let (_, first) = sealed.split_once('.').unwrap();
        assert_eq!(key.open("HR1", first).as_deref(), Some("secret"));
        assert_eq!(SealKey::new(&[2; 32]).open("HR1", first), None);
    }

    #[test]
    fn a_resealed_secret_opens_with_the_new_key_only() {
        let (old, new) = ([1; 32], [2; 32]);
        let sealed = SealKey::new(&old).seal("HR1", "secret");
        assert!(is_sealed_with(&old, &sealed) && !is_sealed_with(&new, &sealed));
        let resealed = reseal("HR1", &sealed, &old, &new).unwrap();
        assert_eq!(
            SealKey::new(&new).open("HR1", &resealed).as_deref(),
            Some("secret")
        );
        assert!(is_sealed_with(&new, &resealed));
        assert_eq!(reseal("HR1", &resealed, &old, &new), None);
    }

    proptest! {
        #[test]
        fn garbage_opens_nothing(garbage in ".{0,120}") {
            prop_assert_eq!(SealKey::new(&[1; 32]).open("HR1", &garbage), None);
        }
    }
}
