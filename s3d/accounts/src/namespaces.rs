//! Namespaces and who belongs to them.

use s3d_bucket::Timestamp;
use serde::{Deserialize, Serialize};
use volumed_meta::Change;

use super::Accounts;
use super::user::{UserId, user_key};
use crate::clock;
use s3d_names::NamespaceName;
use s3d_records::{RecordError, absent, present, put};

/// Namespaces that a user may found.
const MAX_FOUNDED: usize = 20;

/// What a user may do in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, members too.
    Owner,
    /// Everything with buckets and keys.
    Member,
}

/// A namespace that a user belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The namespace.
    pub namespace: NamespaceName,
    /// What the user may do in it.
    pub role: Role,
}

/// Why a namespace could not be founded.
#[derive(Debug, thiserror::Error)]
pub enum CreateNamespaceError {
    /// There is one of this name.
    #[error("This namespace is taken; choose another name.")]
    Taken,
    /// The user has as many as a user may have.
    #[error("A user has at most {MAX_FOUNDED} namespaces; use one that you have.")]
    TooMany,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

#[derive(Serialize, Deserialize)]
struct NamespaceRecord {
    created: Timestamp,
}

/// The key of a namespace's record.
pub fn namespace_key(namespace: &NamespaceName) -> String {
    format!("s3d/namespace/{namespace}")
}

pub fn membership_key(user: &UserId, namespace: &NamespaceName) -> String {
    format!("s3d/member/{user}/{namespace}")
}

fn id_key(id: &str) -> String {
    format!("s3d/namespace-id/{id}")
}

pub fn new_namespace(namespace: &NamespaceName) -> [Change; 2] {
    let record = NamespaceRecord {
        created: clock::now(),
    };
    [
        put(namespace_key(namespace), &record),
        put(id_key(&namespace.canonical_id()), namespace),
    ]
}

impl Accounts {
    /// Founds a namespace that belongs to the user.
    pub async fn create_namespace(
        &self,
        user: &UserId,
        namespace: &NamespaceName,
    ) -> Result<Membership, CreateNamespaceError> {
        if self.memberships(user).await?.len() >= MAX_FOUNDED {
            return Err(CreateNamespaceError::TooMany);
        }
        let conditions = vec![absent(namespace_key(namespace)), present(user_key(user))];
        let mut changes = vec![put(membership_key(user, namespace), &Role::Owner)];
        changes.extend(new_namespace(namespace));
        if !self.records.commit(conditions, changes).await? {
            return Err(CreateNamespaceError::Taken);
        }
        Ok(Membership {
            namespace: namespace.clone(),
            role: Role::Owner,
        })
    }

    /// The namespace that has a canonical id.
    pub async fn namespace_of_id(&self, id: &str) -> Result<Option<NamespaceName>, RecordError> {
        let possible = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !possible {
            return Ok(None);
        }
        let stored = self.records.get(&id_key(id)).await?;
        Ok(stored.map(|stored| stored.record))
    }

    /// The namespaces that a user belongs to, by name.
    pub async fn memberships(&self, user: &UserId) -> Result<Vec<Membership>, RecordError> {
        let prefix = format!("s3d/member/{user}/");
        let stored = self.records.list::<Role>(&prefix).await?;
        let memberships = stored.into_iter().map(|(name, stored)| {
            let namespace = NamespaceName::new(name.clone());
            let namespace =
                namespace.map_err(|_| RecordError::Damaged(format!("{prefix}{name}")))?;
            Ok(Membership {
                namespace,
                role: stored.record,
            })
        });
        memberships.collect()
    }

    /// What a user may do in a namespace; `None` when nothing.
    pub async fn role(
        &self,
        user: &UserId,
        namespace: &NamespaceName,
    ) -> Result<Option<Role>, RecordError> {
        let stored = self.records.get(&membership_key(user, namespace)).await?;
        Ok(stored.map(|stored| stored.record))
    }
}
