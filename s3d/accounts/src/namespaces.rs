//! Namespaces and their limits.

use std::sync::Arc;

use s3d_bucket::Timestamp;
use s3d_names::{Email, NamespaceName};
use s3d_records::{RecordError, Stored, absent, delete, present, put, unchanged};
use serde::{Deserialize, Serialize};
use volumed_meta::Change;

use super::user::{UserId, user_key};
use super::{Accounts, clock};

pub const PREFIX: &str = "s3d/namespace/";

/// Namespaces that a user may create.
const MAX_CREATED: usize = 20;

/// What a user may do in a namespace; each may what those below it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See buckets and keys, and make keys that only read.
    Viewer,
    /// Create and delete buckets, make and revoke any key.
    Member,
    /// Administer: members, invitations, the audit log.
    Owner,
}

/// A namespace that a user belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The namespace.
    pub namespace: NamespaceName,
    /// What the user may do in it.
    pub role: Role,
}

/// What a namespace may use. What is not set has the default that is named here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Buckets; 1,000.
    pub buckets: Option<u32>,
    /// Keys; 1,000.
    pub keys: Option<u32>,
}

/// A namespace as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NamespaceRecord {
    /// When it was created.
    pub created: Timestamp,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
}

/// Why a namespace could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateNamespaceError {
    /// There is one of this name.
    #[error("This namespace is taken; choose another name.")]
    Taken,
    /// The user has as many as a user may have.
    #[error("A user has at most {MAX_CREATED} namespaces; use one that you have.")]
    TooMany,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// The key of a namespace's record.
pub fn namespace_key(namespace: &NamespaceName) -> String {
    format!("{PREFIX}{namespace}")
}

pub fn membership_key(user: &UserId, namespace: &NamespaceName) -> String {
    format!("s3d/member/{user}/{namespace}")
}

pub fn members_of(namespace: &NamespaceName) -> String {
    format!("s3d/member-of/{namespace}/")
}

pub fn member_key(user: &UserId, namespace: &NamespaceName) -> String {
    format!("{}{user}", members_of(namespace))
}

fn id_key(id: &str) -> String {
    format!("s3d/namespace-id/{id}")
}

pub fn new_namespace(namespace: &NamespaceName) -> [Change; 2] {
    let record = NamespaceRecord {
        created: clock::now(),
        limits: Limits::default(),
    };
    [
        put(namespace_key(namespace), &record),
        put(id_key(&namespace.canonical_id()), namespace),
    ]
}

/// The changes that give a user a role in a namespace.
pub fn new_member(user: &UserId, namespace: &NamespaceName, role: Role) -> Vec<Change> {
    vec![
        put(membership_key(user, namespace), &role),
        put(member_key(user, namespace), &role),
    ]
}

/// The changes that take a user out of a namespace.
pub fn no_member(user: &UserId, namespace: &NamespaceName) -> Vec<Change> {
    vec![
        delete(membership_key(user, namespace)),
        delete(member_key(user, namespace)),
    ]
}

impl Accounts {
    /// Creates a namespace that belongs to the user.
    pub async fn create_namespace(
        &self,
        user: &UserId,
        namespace: &NamespaceName,
    ) -> Result<Membership, CreateNamespaceError> {
        if self.memberships(user).await?.len() >= MAX_CREATED {
            return Err(CreateNamespaceError::TooMany);
        }
        let conditions = vec![absent(namespace_key(namespace)), present(user_key(user))];
        let mut changes = new_member(user, namespace, Role::Owner);
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

    /// The namespaces that the user of an e-mail address owns.
    pub async fn namespaces_of_email(
        &self,
        email: &Email,
    ) -> Result<Vec<NamespaceName>, RecordError> {
        let Some(user) = self.user_id(email).await? else {
            return Ok(Vec::new());
        };
        let memberships = self.memberships(&user).await?.into_iter();
        let owned = memberships.filter(|it| it.role == Role::Owner);
        Ok(owned.map(|it| it.namespace).collect())
    }

    /// The namespace of a name. Asked for each S3 request: it comes from memory.
    pub async fn namespace(
        &self,
        name: &NamespaceName,
    ) -> Result<Option<Arc<NamespaceRecord>>, RecordError> {
        let read = async {
            let stored = self.records.get(&namespace_key(name)).await?;
            Ok::<_, RecordError>(stored.map(|stored| stored.record))
        };
        self.namespaces.get_or_read(name.as_str(), read).await
    }

    /// Every namespace, by name.
    pub async fn namespaces(&self) -> Result<Vec<(NamespaceName, NamespaceRecord)>, RecordError> {
        named(self.records.list(PREFIX).await?)
    }

    /// At most `limit` namespaces by name: those behind `after`.
    pub async fn namespaces_behind(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(NamespaceName, NamespaceRecord)>, RecordError> {
        named(self.records.page(PREFIX, after, limit).await?)
    }

    /// Sets what a namespace may use; answers whether there is the namespace.
    pub async fn set_limits(
        &self,
        name: &NamespaceName,
        limits: Limits,
    ) -> Result<bool, RecordError> {
        let key = namespace_key(name);
        while let Some(stored) = self.records.get::<NamespaceRecord>(&key).await? {
            let record = NamespaceRecord {
                limits,
                ..stored.record.clone()
            };
            let conditions = vec![unchanged(key.clone(), &stored)];
            if self
                .records
                .commit(conditions, vec![put(key.clone(), &record)])
                .await?
            {
                self.namespaces.remove(name.as_str());
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn named(
    stored: Vec<(String, Stored<NamespaceRecord>)>,
) -> Result<Vec<(NamespaceName, NamespaceRecord)>, RecordError> {
    let namespaces = stored.into_iter().map(|(name, stored)| {
        let parsed = NamespaceName::new(name.clone());
        let parsed = parsed.map_err(|_| RecordError::Damaged(format!("{PREFIX}{name}")))?;
        Ok((parsed, stored.record))
    });
    namespaces.collect()
}
