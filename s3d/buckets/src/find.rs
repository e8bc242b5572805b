//! Records of buckets, and the keys to one bucket.

use std::sync::Arc;

use super::Buckets;
use super::record::{BucketRecord, Status, bucket_key, buckets_of};
use s3d_accounts::{CreateKeyError, Key, KeyGrant, Scope};
use s3d_names::BucketName;
use s3d_names::NamespaceName;
use s3d_records::{RecordError, Stored, unchanged};

/// Why a key to a bucket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateBucketKeyError {
    /// There is no such bucket.
    #[error("There is no such bucket.")]
    NoSuchBucket,
    /// The key could not be made.
    #[error(transparent)]
    Key(#[from] CreateKeyError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Buckets {
    /// The bucket of a name. Asked for each S3 request: it comes from memory.
    pub async fn find(&self, name: &str) -> Result<Option<Arc<BucketRecord>>, RecordError> {
        let read = async {
            let Ok(name) = BucketName::new(name) else {
                return Ok(None);
            };
            let stored = self.read(&name).await?;
            Ok::<_, RecordError>(stored.map(|stored| stored.record))
        };
        let found = self.known.get_or_read(name, read).await?;
        Ok(found.filter(|record| record.status != Status::Deleting))
    }

    /// The buckets of a namespace, by name.
    pub async fn list(
        &self,
        namespace: &NamespaceName,
    ) -> Result<Vec<Arc<BucketRecord>>, RecordError> {
        let mut records = Vec::new();
        for (name, _) in self.records.list::<()>(&buckets_of(namespace)).await? {
            records.extend(self.find(&name).await?);
        }
        Ok(records)
    }

    /// How many buckets a namespace has.
    pub async fn count_of(&self, namespace: &NamespaceName) -> Result<usize, RecordError> {
        let keys = self.records.list::<()>(&buckets_of(namespace)).await?;
        Ok(keys.len())
    }

    /// Makes a key to one bucket: its [`BucketRecord::key_grant`], or less.
    pub async fn create_key(
        &self,
        bucket: &BucketRecord,
        grant: KeyGrant,
    ) -> Result<Key, CreateBucketKeyError> {
        debug_assert_eq!(grant.scope, Scope::Bucket(bucket.name.clone()));
        debug_assert_eq!(grant.namespace, bucket.namespace);
        loop {
            let stored = self.read_living(bucket).await?;
            let stored = stored.ok_or(CreateBucketKeyError::NoSuchBucket)?;
            // Deleting a bucket changes its record before its keys are deleted: no key is left.
            let guard = unchanged(bucket_key(&bucket.name), &stored);
            match self.accounts.create_key(grant.clone(), Some(guard)).await {
                Err(CreateKeyError::Gone) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Whether no bucket can be given this name now.
    pub async fn is_taken(&self, name: &BucketName) -> Result<bool, RecordError> {
        Ok(self.read(name).await?.is_some())
    }

    pub(super) async fn read(
        &self,
        name: &BucketName,
    ) -> Result<Option<Stored<BucketRecord>>, RecordError> {
        self.records.get(&bucket_key(name)).await
    }

    /// The record of this very bucket as it is now. Its name may be another's by now, who may
    /// do with that one what the caller may not.
    pub(super) async fn read_living(
        &self,
        bucket: &BucketRecord,
    ) -> Result<Option<Stored<BucketRecord>>, RecordError> {
        let stored = self.read(&bucket.name).await?;
        Ok(stored.filter(|stored| {
            stored.record.id == bucket.id && stored.record.status != Status::Deleting
        }))
    }
}
