//! Making, finding, rotating and revoking keys.

use std::sync::Arc;
use std::time::Duration;

use s3d_bucket::Timestamp;
use s3d_names::NamespaceName;
use s3d_records::{RecordError, Stored, absent, delete, present, put, unchanged};
use volumed_meta::{Change, Compare};

use super::key::{
    Key, KeyGrant, KeyInfo, KeyRecord, Scope, is_id, key_key, key_of_key, key_use_key, keys_of,
};
use super::namespaces::namespace_key;
use super::seal::SealError;
use super::{Accounts, UserId, clock};

/// Keys that a namespace may have, unless its limits say otherwise: one for each bucket that it may have, and as many others.
const MAX_KEYS: u32 = 2_000;

/// Why a key could not be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The key's secret was sealed with another node's key, or is damaged.
    #[error("the secret of the key {0} cannot be opened with this node's seal.secret")]
    Unsealable(String),
}

/// Why a key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// There is no such namespace, or the bucket or the key to replace is gone.
    #[error("What the key should open does not exist any more.")]
    Gone,
    /// The namespace has as many as it may have.
    #[error("The namespace has as many keys as it may have, {0}; revoke some that are not used.")]
    TooMany(u32),
    /// The secret cannot be kept.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Accounts {
    /// The key of an access key id, unless it has expired. Asked for each S3 request: it comes
    /// from memory.
    pub async fn key(&self, id: &str) -> Result<Option<Arc<Key>>, AccountsError> {
        if !is_id(id) {
            return Ok(None);
        }
        let key = self.keys.get_or_read(id, self.read_key(id)).await?;
        let now = clock::now();
        Ok(key.filter(|key| key.grant.expires.is_none_or(|expires| now < expires)))
    }

    async fn read_key(&self, id: &str) -> Result<Option<Key>, AccountsError> {
        let Some(stored) = self.records.get::<KeyRecord>(&key_key(id)).await? else {
            return Ok(None);
        };
        let record = stored.record;
        let secret = self.seal.open(id, &record.secret);
        Ok(Some(Key {
            id: id.to_owned(),
            secret: secret.ok_or_else(|| AccountsError::Unsealable(id.to_owned()))?,
            grant: record.grant,
            created: record.created,
        }))
    }

    /// A key let a request in.
    pub fn note_use(&self, id: &str) {
        self.key_uses.note(id, clock::now());
    }

    /// Makes a key, if `guard` holds as well.
    pub async fn create_key(
        &self,
        grant: KeyGrant,
        guard: Option<Compare>,
    ) -> Result<Key, CreateKeyError> {
        self.revoke_expired(&grant.namespace).await?;
        let limits = self
            .namespace(&grant.namespace)
            .await?
            .ok_or(CreateKeyError::Gone)?
            .limits;
        let most = limits.keys.unwrap_or(MAX_KEYS);
        if self
            .records
            .list::<Scope>(&keys_of(&grant.namespace))
            .await?
            .len()
            >= most as usize
        {
            return Err(CreateKeyError::TooMany(most));
        }
        let key = Key::random(grant, clock::now());
        self.commit_key(&key, guard.into_iter().collect(), vec![])
            .await?;
        Ok(key)
    }

    /// Replaces a key by one with the same rights, and a new id and secret. The old one ends after
    /// the grace, or at once if there is none. The new one counts as made by `by`, who learns it.
    ///
    /// The id is a new one, as in AWS's practice: while both hold, a request says with which it was
    /// signed.
    pub async fn rotate_key(
        &self,
        namespace: &NamespaceName,
        id: &str,
        grace: Duration,
        by: &UserId,
    ) -> Result<Key, CreateKeyError> {
        let old = self
            .key_record(namespace, id)
            .await?
            .ok_or(CreateKeyError::Gone)?;
        let now = clock::now();
        let grant = KeyGrant {
            created_by: Some(by.clone()),
            ..old.record.grant.clone()
        };
        let key = Key::random(grant, now);
        let changes = if grace.is_zero() {
            removal(namespace, id)
        } else {
            let end = Timestamp(now.0.saturating_add(grace.as_millis() as u64));
            let mut record = old.record.clone();
            record.grant.expires =
                Some(record.grant.expires.map_or(end, |expires| expires.min(end)));
            vec![put(key_key(id), &record)]
        };
        self.commit_key(&key, vec![unchanged(key_key(id), &old)], changes)
            .await?;
        self.keys.remove(id);
        Ok(key)
    }

    /// Stores a new key together with other changes.
    async fn commit_key(
        &self,
        key: &Key,
        conditions: Vec<Compare>,
        changes: Vec<Change>,
    ) -> Result<(), CreateKeyError> {
        // The second time when the node key was rotated in between.
        for _ in 0..2 {
            let sealed = self.seal.seal(&self.records, &key.id, &key.secret).await?;
            let record = KeyRecord {
                grant: key.grant.clone(),
                secret: sealed.text,
                created: key.created,
            };
            let namespace = &key.grant.namespace;
            let mut conditions = conditions.clone();
            conditions.extend([absent(key_key(&key.id)), present(namespace_key(namespace))]);
            conditions.push(sealed.guard);
            let mut changes = changes.clone();
            changes.extend(sealed.first_use);
            changes.extend([
                put(key_key(&key.id), &record),
                put(key_of_key(namespace, &key.id), &key.grant.scope),
            ]);
            if self.records.commit(conditions, changes).await? {
                return Ok(());
            }
        }
        Err(CreateKeyError::Gone)
    }

    /// Makes a key to a whole namespace.
    pub async fn create_namespace_key(
        &self,
        namespace: &NamespaceName,
    ) -> Result<Key, CreateKeyError> {
        self.create_key(KeyGrant::new(namespace.clone(), Scope::Namespace), None)
            .await
    }

    /// The keys of a namespace, by id.
    pub async fn keys_of(&self, namespace: &NamespaceName) -> Result<Vec<KeyInfo>, RecordError> {
        let mut infos = Vec::new();
        for (id, _) in self.records.list::<Scope>(&keys_of(namespace)).await? {
            // One that is revoked at this moment is not there any more.
            if let Some(stored) = self.records.get::<KeyRecord>(&key_key(&id)).await? {
                infos.push(KeyInfo {
                    last_used: self.key_uses.last(&self.records, &id).await?,
                    id,
                    grant: stored.record.grant,
                    created: stored.record.created,
                });
            }
        }
        Ok(infos)
    }

    /// What a key of a namespace may touch and do.
    pub async fn key_grant(
        &self,
        namespace: &NamespaceName,
        id: &str,
    ) -> Result<Option<KeyGrant>, RecordError> {
        let stored = self.key_record(namespace, id).await?;
        Ok(stored.map(|stored| stored.record.grant))
    }

    async fn key_record(
        &self,
        namespace: &NamespaceName,
        id: &str,
    ) -> Result<Option<Stored<KeyRecord>>, RecordError> {
        if !is_id(id) {
            return Ok(None);
        }
        let stored = self.records.get::<KeyRecord>(&key_key(id)).await?;
        Ok(stored.filter(|stored| stored.record.grant.namespace == *namespace))
    }

    /// Revokes a key of a namespace: the next request that it signs is refused. Answers whether
    /// there was one.
    pub async fn delete_key(
        &self,
        namespace: &NamespaceName,
        id: &str,
    ) -> Result<bool, RecordError> {
        let index = key_of_key(namespace, id);
        let changes = removal(namespace, id);
        let deleted = is_id(id) && self.records.commit(vec![present(index)], changes).await?;
        self.keys.remove(id);
        Ok(deleted)
    }

    /// Revokes the keys to a namespace that a user made, those for which `which` holds.
    pub(super) async fn revoke_keys_by(
        &self,
        namespace: &NamespaceName,
        user: &UserId,
        which: impl Fn(&KeyGrant) -> bool,
    ) -> Result<(), RecordError> {
        for key in self.keys_of(namespace).await? {
            if key.grant.created_by.as_ref() == Some(user) && which(&key.grant) {
                self.delete_key(namespace, &key.id).await?;
            }
        }
        Ok(())
    }

    async fn revoke_expired(&self, namespace: &NamespaceName) -> Result<(), RecordError> {
        for (id, _) in self.records.list::<Scope>(&keys_of(namespace)).await? {
            // From memory: with a key for each of a thousand buckets, every new one would read them all from the store.
            match self.key(&id).await {
                Ok(None) => {
                    self.delete_key(namespace, &id).await?;
                }
                Ok(Some(_)) | Err(AccountsError::Unsealable(_)) => {}
                Err(AccountsError::Records(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Revokes every key whose scope is this one, each by itself: there may be more than one
    /// transaction of the store can delete.
    pub async fn revoke_keys_to(
        &self,
        namespace: &NamespaceName,
        scope: &Scope,
    ) -> Result<(), RecordError> {
        let keys = self.records.list::<Scope>(&keys_of(namespace)).await?;
        for (id, stored) in keys {
            if stored.record == *scope {
                self.delete_key(namespace, &id).await?;
            }
        }
        Ok(())
    }
}

fn removal(namespace: &NamespaceName, id: &str) -> Vec<Change> {
    vec![
        delete(key_key(id)),
        delete(key_of_key(namespace, id)),
        delete(key_use_key(id)),
    ]
}
