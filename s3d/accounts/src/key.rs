//! Keys: what an S3 request is signed with.

use std::fmt;

use s3d_bucket::Timestamp;
use serde::{Deserialize, Serialize};

use crate::random;
use s3d_names::BucketName;
use s3d_names::NamespaceName;

pub const PREFIX: &str = "s3d/key/";

const ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET_LETTERS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a key may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every bucket of the namespace; making and listing buckets.
    Namespace,
    /// One bucket.
    Bucket(BucketName),
}

/// A key with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The access key id: `HR` and 18 of `A-Z 2-7`.
    pub id: String,
    /// The secret access key: 40 of `A-Z a-z 0-9 + /`.
    pub secret: String,
    /// The namespace that it belongs to.
    pub namespace: NamespaceName,
    /// What it may touch.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
}

/// A key without its secret, which is shown once only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The access key id.
    pub id: String,
    /// The namespace that it belongs to.
    pub namespace: NamespaceName,
    /// What it may touch.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
}

impl Key {
    pub(super) fn random(namespace: NamespaceName, scope: Scope, created: Timestamp) -> Self {
        Self {
            id: format!("HR{}", random::text(ID_LETTERS, 18)),
            secret: random::text(SECRET_LETTERS, 40),
            namespace,
            scope,
            created,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret stays out of logs.
        formatter
            .debug_struct("Key")
            .field("id", &self.id)
            .field("namespace", &self.namespace)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl From<Key> for KeyInfo {
    fn from(key: Key) -> Self {
        Self {
            id: key.id,
            namespace: key.namespace,
            scope: key.scope,
            created: key.created,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub struct KeyRecord {
    pub namespace: NamespaceName,
    pub scope: Scope,
    /// The secret, sealed under the access key id.
    pub secret: String,
    pub created: Timestamp,
}

pub fn key_key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

pub fn keys_of(namespace: &NamespaceName) -> String {
    format!("s3d/key-of/{namespace}/")
}

/// Whether a text can be an access key id; what cannot is not looked up.
pub fn is_id(text: &str) -> bool {
    text.strip_prefix("HR")
        .is_some_and(|rest| rest.len() == 18 && rest.bytes().all(|byte| ID_LETTERS.contains(&byte)))
}
