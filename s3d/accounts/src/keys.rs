//! Making, finding and deleting keys.

use std::sync::Arc;

use volumed_meta::{Change, Compare};

use super::Accounts;
use super::key::{Key, KeyInfo, KeyRecord, Scope, is_id, key_key, keys_of};
use super::namespaces::namespace_key;
use crate::clock;
use s3d_names::NamespaceName;
use s3d_records::{RecordError, absent, delete, present, put};

/// Keys that a namespace may have.
const MAX_KEYS: usize = 1_000;

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
    /// There is no such namespace, or the bucket is gone.
    #[error("What the key should open does not exist any more.")]
    Gone,
    /// The namespace has as many as a namespace may have.
    #[error("A namespace has at most {MAX_KEYS} keys; delete some that are not used.")]
    TooMany,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Accounts {
    /// The key of an access key id. Asked for each S3 request: it comes from memory.
    pub async fn key(&self, id: &str) -> Result<Option<Arc<Key>>, AccountsError> {
        if !is_id(id) {
            return Ok(None);
        }
        self.keys.get_or_read(id, self.read_key(id)).await
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
            namespace: record.namespace,
            scope: record.scope,
            created: record.created,
        }))
    }

    /// Makes a key, if `guard` holds as well.
    pub async fn create_key(
        &self,
        namespace: &NamespaceName,
        scope: Scope,
        guard: Option<Compare>,
    ) -> Result<Key, CreateKeyError> {
        if self.records.list::<Scope>(&keys_of(namespace)).await?.len() >= MAX_KEYS {
            return Err(CreateKeyError::TooMany);
        }
        let key = Key::random(namespace.clone(), scope, clock::now());
        let record = KeyRecord {
            namespace: key.namespace.clone(),
            scope: key.scope.clone(),
            secret: self.seal.seal(&key.id, &key.secret),
            created: key.created,
        };
        let mut conditions = vec![absent(key_key(&key.id)), present(namespace_key(namespace))];
        conditions.extend(guard);
        let changes = vec![
            put(key_key(&key.id), &record),
            put(format!("{}{}", keys_of(namespace), key.id), &key.scope),
        ];
        if self.records.commit(conditions, changes).await? {
            Ok(key)
        } else {
            Err(CreateKeyError::Gone)
        }
    }

    /// Makes a key to a whole namespace.
    pub async fn create_namespace_key(
        &self,
        namespace: &NamespaceName,
    ) -> Result<Key, CreateKeyError> {
        self.create_key(namespace, Scope::Namespace, None).await
    }

    /// The keys of a namespace, by id.
    pub async fn keys_of(&self, namespace: &NamespaceName) -> Result<Vec<KeyInfo>, RecordError> {
        let mut infos = Vec::new();
        for (id, _) in self.records.list::<Scope>(&keys_of(namespace)).await? {
            // One that is deleted at this moment is not there any more.
            if let Some(stored) = self.records.get::<KeyRecord>(&key_key(&id)).await? {
                infos.push(KeyInfo {
                    id,
                    namespace: stored.record.namespace,
                    scope: stored.record.scope,
                    created: stored.record.created,
                });
            }
        }
        Ok(infos)
    }

    /// Deletes a key of a namespace; answers whether there was one.
    pub async fn delete_key(
        &self,
        namespace: &NamespaceName,
        id: &str,
    ) -> Result<bool, RecordError> {
        let index = format!("{}{id}", keys_of(namespace));
        let changes = vec![delete(key_key(id)), delete(index.clone())];
        let deleted = is_id(id) && self.records.commit(vec![present(index)], changes).await?;
        self.keys.remove(id);
        Ok(deleted)
    }

    /// The changes that delete every key whose scope is this one, and the keys' ids.
    pub async fn deletion_of(
        &self,
        namespace: &NamespaceName,
        scope: &Scope,
    ) -> Result<(Vec<String>, Vec<Change>), RecordError> {
        let keys = self.records.list::<Scope>(&keys_of(namespace)).await?;
        let ids: Vec<String> = keys
            .into_iter()
            .filter(|(_, stored)| stored.record == *scope)
            .map(|(id, _)| id)
            .collect();
        let changes = ids
            .iter()
            .flat_map(|id| {
                [
                    delete(key_key(id)),
                    delete(format!("{}{id}", keys_of(namespace))),
                ]
            })
            .collect();
        Ok((ids, changes))
    }

    /// Forgets keys that were deleted with what they opened.
    pub fn forget_keys(&self, ids: &[String]) {
        for id in ids {
            self.keys.remove(id);
        }
    }
}
