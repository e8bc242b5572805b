//! Making buckets.

use std::sync::Arc;

use s3d_bucket::{Acl, BucketId};

use super::Buckets;
use super::delete::DeleteBucketError;
use super::find::CreateBucketKeyError;
use super::open::How;
use super::record::{
    BucketRecord, Status, VOLUME_PREFIX, bucket_key, bucket_of_key, buckets_of, unsettled_key,
    volume_key,
};
use super::settings::Settings;
use s3d_accounts::{Key, KeyGrant, UserId, clock, namespace_key, random};
use s3d_names::BucketName;
use s3d_names::NamespaceName;
use s3d_records::{RecordError, absent, delete, present, put, unchanged};

/// Buckets that a namespace may have, unless its limits say otherwise.
const MAX_BUCKETS: u32 = 1_000;

/// Why a bucket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateBucketError {
    /// The namespace has this bucket already.
    #[error("You have a bucket of this name already.")]
    AlreadyYours,
    /// Another namespace has it.
    #[error("This name is taken: bucket names are unique in the whole rack; choose another.")]
    Taken,
    /// The one that had it is still being deleted.
    #[error("The last bucket of this name is still being deleted; try again in a moment.")]
    BeingDeleted,
    /// There is no such namespace.
    #[error("There is no such namespace.")]
    NoSuchNamespace,
    /// The namespace has as many as it may have.
    #[error(
        "The namespace has as many buckets as it may have, {0}; delete some that are not used."
    )]
    TooMany(u32),
    /// The pool is full.
    #[error("The pool has no space left; add a disk or delete something.")]
    NoSpace,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// Why a bucket with a key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateWithKeyError {
    /// The bucket could not be made.
    #[error(transparent)]
    Bucket(#[from] CreateBucketError),
    /// The key could not be made.
    #[error(transparent)]
    Key(#[from] CreateBucketKeyError),
    /// The key could not be made, and the bucket could not be taken back.
    #[error(transparent)]
    Rollback(#[from] DeleteBucketError),
}

impl Buckets {
    /// Makes a bucket. Its status in the answer is `Provisioned`, and then it can be used, unless
    /// the volume daemon is away: then it is `Provisioning` and is finished as soon as may be.
    pub async fn create(
        self: &Arc<Self>,
        namespace: &NamespaceName,
        name: &BucketName,
        acl: Option<Acl>,
        settings: Settings,
    ) -> Result<BucketRecord, CreateBucketError> {
        let stored = self.accounts.namespace(namespace).await?;
        let limits = stored.ok_or(CreateBucketError::NoSuchNamespace)?.limits;
        let most = limits.buckets.unwrap_or(MAX_BUCKETS);
        if self.records.list::<()>(&buckets_of(namespace)).await?.len() >= most as usize {
            return Err(CreateBucketError::TooMany(most));
        }
        let id = BucketId(random::id());
        let record = BucketRecord {
            id,
            name: name.clone(),
            namespace: namespace.clone(),
            volume: format!("{VOLUME_PREFIX}{:032x}", id.0),
            status: Status::Provisioning,
            created: clock::now(),
            acl,
            settings,
        };
        let conditions = vec![absent(bucket_key(name)), present(namespace_key(namespace))];
        let changes = vec![
            put(bucket_key(name), &record),
            put(bucket_of_key(&record), &()),
            put(volume_key(&record.volume), &record.held()),
            put(unsettled_key(name), &self.neighbours.own()),
        ];
        if !self.records.commit(conditions, changes).await? {
            return Err(match self.read(name).await? {
                Some(taken) if taken.record.status == Status::Deleting => {
                    CreateBucketError::BeingDeleted
                }
                Some(taken) if taken.record.namespace == *namespace => {
                    CreateBucketError::AlreadyYours
                }
                Some(_) => CreateBucketError::Taken,
                None => CreateBucketError::NoSuchNamespace,
            });
        }
        let buckets = self.clone();
        // The bucket is finished also when nobody waits for it any more.
        let provisioning = tokio::spawn(async move { buckets.finish_creation(record).await });
        provisioning
            .await
            .unwrap_or_else(|error| Err(RecordError::Unavailable(error.to_string()).into()))
    }

    /// Makes a private bucket and a key to it that counts as made by `user`: both, or neither.
    pub async fn create_with_key(
        self: &Arc<Self>,
        namespace: &NamespaceName,
        name: &BucketName,
        user: &UserId,
    ) -> Result<(BucketRecord, Key), CreateWithKeyError> {
        let record = self
            .create(namespace, name, None, Settings::default())
            .await?;
        let grant = KeyGrant {
            created_by: Some(user.clone()),
            ..record.key_grant()
        };
        match self.create_key(&record, grant).await {
            Ok(key) => Ok((record, key)),
            Err(error) => {
                // A bucket without a key is not what was asked for.
                self.delete(&record, false).await?;
                Err(error.into())
            }
        }
    }

    async fn finish_creation(
        &self,
        record: BucketRecord,
    ) -> Result<BucketRecord, CreateBucketError> {
        let turn = self.turns.of(record.name.as_str());
        let _turn = turn.lock().await;
        if self.read_living(&record).await?.is_none() {
            // Somebody deleted it meanwhile: it was there. The name may be another's by now.
            return Ok(record);
        }
        match self.provision(&record.name).await {
            Ok(Some(provisioned)) => Ok(provisioned),
            // Somebody deleted it meanwhile: it was there.
            Ok(None) => Ok(record),
            Err(ProvisionError::NoSpace) => {
                self.begin_deletion(&record.name).await?;
                Err(CreateBucketError::NoSpace)
            }
            Err(error) => {
                tracing::warn!(bucket = %record.name, %error, "cannot provision yet");
                Ok(record)
            }
        }
    }

    /// Makes what a bucket that is being provisioned lacks; answers its record if there is such
    /// a bucket. The caller has the bucket's turn.
    pub(super) async fn provision(
        &self,
        name: &BucketName,
    ) -> Result<Option<BucketRecord>, ProvisionError> {
        let Some(stored) = self.read(name).await? else {
            return Ok(None);
        };
        if stored.record.status != Status::Provisioning {
            return Ok(Some(stored.record).filter(|record| record.status == Status::Provisioned));
        }
        let open = match self.open_patiently(&stored.record, How::Create).await {
            Err(super::OpenBucketError::NoSpace) => return Err(ProvisionError::NoSpace),
            opened => opened?,
        };
        // An ACL may be set meanwhile: the change is of the record as it is then.
        while let Some(stored) = self.read(name).await? {
            if stored.record.status == Status::Deleting {
                break;
            }
            let record = BucketRecord {
                status: Status::Provisioned,
                ..stored.record.clone()
            };
            let changes = vec![put(bucket_key(name), &record), delete(unsettled_key(name))];
            let conditions = vec![unchanged(bucket_key(name), &stored)];
            if self.records.commit(conditions, changes).await? {
                self.known.remove(name.as_str());
                self.open.insert(name.as_str(), open);
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// Why a bucket could not be provisioned.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The pool is full.
    #[error("the pool has no space left")]
    NoSpace,
    /// Its volume could not be made or opened.
    #[error(transparent)]
    Open(#[from] super::OpenBucketError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}
