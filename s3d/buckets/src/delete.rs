//! Deleting buckets.

use std::sync::Arc;

use super::Buckets;
use super::open::{How, OpenBucketError};
use super::record::{BucketRecord, Status, bucket_key, bucket_of_key, unsettled_key, volume_key};
use super::volumes::VolumeError;
use s3d_accounts::Scope;
use s3d_names::BucketName;
use s3d_records::{RecordError, delete, put, unchanged};

/// Why a bucket could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteBucketError {
    /// There is no such bucket.
    #[error("There is no such bucket.")]
    NoSuchBucket,
    /// It holds objects.
    #[error("The bucket is not empty; delete its objects first.")]
    NotEmpty,
    /// Whether it is empty cannot be found out.
    #[error(transparent)]
    Open(#[from] OpenBucketError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// Why a deletion is not finished; it goes on later.
#[derive(Debug, thiserror::Error)]
pub enum FinishDeletionError {
    /// The volume could not be deleted.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Buckets {
    /// Deletes a bucket: if it is empty, or with `force` whatever it holds. When this answers it
    /// is gone for everybody; its space returns, and its name is free, as soon as the volume
    /// daemon has deleted the volume.
    pub async fn delete(
        self: &Arc<Self>,
        bucket: &BucketRecord,
        force: bool,
    ) -> Result<(), DeleteBucketError> {
        let (buckets, bucket) = (self.clone(), bucket.clone());
        let deleting = tokio::spawn(async move { buckets.delete_in_turn(&bucket, force).await });
        deleting
            .await
            .unwrap_or_else(|error| Err(RecordError::Unavailable(error.to_string()).into()))
    }

    async fn delete_in_turn(
        &self,
        bucket: &BucketRecord,
        force: bool,
    ) -> Result<(), DeleteBucketError> {
        let name = &bucket.name;
        let turn = self.turns.of(name.as_str());
        let _turn = turn.lock().await;
        let stored = self.read_living(bucket).await?;
        let record = stored.ok_or(DeleteBucketError::NoSuchBucket)?.record;
        if !force && record.status == Status::Provisioned {
            self.check_empty(&record).await?;
        }
        if !self.begin_deletion(name).await? {
            return Err(DeleteBucketError::NoSuchBucket);
        }
        if let Err(error) = self.finish_deletion(name).await {
            tracing::warn!(bucket = %name, %error, "the bucket's volume is deleted later");
        }
        Ok(())
    }

    /// Finds the bucket empty and closed to everybody, or opens it again. Between a look at an
    /// open bucket and its deletion an object could be put, acknowledged and lost: so the bucket
    /// is closed first, and looked at by nobody but us.
    async fn check_empty(&self, record: &BucketRecord) -> Result<(), DeleteBucketError> {
        let name = record.name.as_str();
        if let Some(bucket) = self.open.get(name, record.id)
            && !is_empty(&bucket)?
        {
            return Err(DeleteBucketError::NotEmpty);
        }
        if let Some(open) = self.open.take(name) {
            self.close(name, open).await;
        }
        let open = self.open_patiently(record, How::Open).await?;
        if is_empty(&open.bucket)? {
            self.close(name, open).await;
            Ok(())
        } else {
            self.open.insert(name, open);
            Err(DeleteBucketError::NotEmpty)
        }
    }

    /// Makes the bucket gone for everybody; answers whether there was one. The caller has the
    /// bucket's turn.
    pub(super) async fn begin_deletion(&self, name: &BucketName) -> Result<bool, RecordError> {
        while let Some(stored) = self.read(name).await? {
            let record = BucketRecord {
                status: Status::Deleting,
                ..stored.record.clone()
            };
            let changes = vec![
                put(bucket_key(name), &record),
                put(unsettled_key(name), &self.neighbours.own()),
            ];
            let conditions = vec![unchanged(bucket_key(name), &stored)];
            if self.records.commit(conditions, changes).await? {
                self.known.remove(name.as_str());
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes the volume of a bucket that is being deleted, then its keys and its record. The caller
    /// has the bucket's turn.
    pub(super) async fn finish_deletion(
        &self,
        name: &BucketName,
    ) -> Result<(), FinishDeletionError> {
        let Some(stored) = self.read(name).await? else {
            return Ok(());
        };
        let record = &stored.record;
        if let Some(open) = self.open.take(name.as_str()) {
            self.close(name.as_str(), open).await;
        }
        self.volumes.detach(&record.volume).await?;
        self.volumes.delete(&record.volume).await?;
        let scope = Scope::Bucket(name.clone());
        self.accounts
            .revoke_keys_to(&record.namespace, &scope)
            .await?;
        self.forget_usage(record).await?;
        let changes = vec![
            delete(bucket_key(name)),
            delete(bucket_of_key(record)),
            delete(volume_key(&record.volume)),
            delete(unsettled_key(name)),
        ];
        let conditions = vec![unchanged(bucket_key(name), &stored)];
        if self.records.commit(conditions, changes).await? {
            self.known.remove(name.as_str());
        }
        Ok(())
    }
}

fn is_empty(bucket: &s3d_bucket::Bucket) -> Result<bool, OpenBucketError> {
    let empty = bucket.is_empty();
    empty.map_err(|error| OpenBucketError::Unavailable(error.to_string()))
}
