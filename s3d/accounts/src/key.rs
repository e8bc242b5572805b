//! Keys: what an S3 request is signed with.

use std::fmt;
use std::ops::Deref;

use s3d_bucket::Timestamp;
use s3d_names::{BucketName, NamespaceName};
use serde::{Deserialize, Serialize};

use super::random;
use super::user::UserId;

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

/// What a key may do with what it may touch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Everything.
    #[default]
    ReadWrite,
    /// What changes nothing.
    ReadOnly,
}

/// What a key is, but for its id and secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGrant {
    /// The namespace that it belongs to.
    pub namespace: NamespaceName,
    /// What it may touch.
    pub scope: Scope,
    /// What it may do there.
    #[serde(default)]
    pub access: Access,
    /// When it ends; `None`: when it is revoked.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// The user who made it; it ends when the user leaves the namespace.
    #[serde(default)]
    pub created_by: Option<UserId>,
}

impl KeyGrant {
    /// A key that reads and writes until it is revoked.
    pub fn new(namespace: NamespaceName, scope: Scope) -> Self {
        Self {
            namespace,
            scope,
            access: Access::ReadWrite,
            expires: None,
            created_by: None,
        }
    }
}

/// A key with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The access key id: `HR` and 18 of `A-Z 2-7`.
    pub id: String,
    /// The secret access key: 40 of `A-Z a-z 0-9 + /`.
    pub secret: String,
    /// What it may touch, and do there.
    pub grant: KeyGrant,
    /// When it was made.
    pub created: Timestamp,
}

/// A key without its secret, which is shown once only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// The access key id.
    pub id: String,
    /// What it may touch, and do there.
    pub grant: KeyGrant,
    /// When it was made.
    pub created: Timestamp,
    /// When it last signed a request that was let in; exact to an hour.
    pub last_used: Option<Timestamp>,
}

/// A key is its grant, with what proves it.
impl Deref for Key {
    type Target = KeyGrant;

    fn deref(&self) -> &KeyGrant {
        &self.grant
    }
}

impl Key {
    pub(super) fn random(grant: KeyGrant, created: Timestamp) -> Self {
        Self {
            id: format!("HR{}", random::text(ID_LETTERS, 18)),
            secret: random::text(SECRET_LETTERS, 40),
            grant,
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
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct KeyRecord {
    #[serde(flatten)]
    pub grant: KeyGrant,
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

pub fn key_of_key(namespace: &NamespaceName, id: &str) -> String {
    format!("{}{id}", keys_of(namespace))
}

pub fn key_use_key(id: &str) -> String {
    format!("s3d/key-use/{id}")
}

/// Whether a text can be an access key id; what cannot is not looked up.
pub fn is_id(text: &str) -> bool {
    text.strip_prefix("HR")
        .is_some_and(|rest| rest.len() == 18 && rest.bytes().all(|byte| ID_LETTERS.contains(&byte)))
}
