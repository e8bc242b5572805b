//! Checking and repairing a bucket that no server has open.

use std::sync::Arc;

use s3d_bucket::{CheckReport, Offload, OpenError, RebuildReport};
use s3d_names::BucketName;
use s3d_records::{RecordError, Records};
use volumed_meta::MetaStore;

use super::record::{BucketRecord, Status, bucket_key};
use super::volumes::{NodeVolumes, VolumeError, Volumes as _};

/// The buckets of a store while no server runs on it.
#[derive(Debug)]
pub struct Maintenance {
    records: Records,
    volumes: NodeVolumes,
}

/// Why a bucket could not be checked or repaired.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// There is no such bucket.
    #[error("there is no bucket {0}")]
    NoSuchBucket(BucketName),
    /// It is being made or deleted.
    #[error("the bucket {0} is being made or deleted: start s3d, which finishes that")]
    Unsettled(BucketName),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The volume could not be attached.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// What is on the volume cannot be used.
    #[error(transparent)]
    Bucket(#[from] OpenError),
}

impl Maintenance {
    /// Buckets by the records in `store`, on `volumes`.
    pub fn new(store: Arc<dyn MetaStore>, volumes: NodeVolumes) -> Self {
        let records = Records::new(store);
        Self { records, volumes }
    }

    /// Checks a bucket without changing it, and says how many bytes its volume holds in the pool.
    /// `deep`: reads every object's bytes.
    pub async fn check(
        &self,
        name: &BucketName,
        deep: bool,
    ) -> Result<(CheckReport, u64), MaintenanceError> {
        let record = self.record(name).await?;
        let attached = self.volumes.attach(&record.volume).await?;
        let offload = Offload::Threads;
        let checked = s3d_bucket::check(attached.devices, record.id, offload, deep).await;
        self.volumes.detach(&record.volume).await?;
        Ok((checked?, self.volumes.used(&record.volume).await?))
    }

    /// Builds a bucket's index anew from what can be read of it, its log and its objects.
    pub async fn rebuild(&self, name: &BucketName) -> Result<RebuildReport, MaintenanceError> {
        let record = self.record(name).await?;
        let attached = self.volumes.attach(&record.volume).await?;
        let (devices, epoch) = (attached.devices, attached.epoch);
        let rebuilt = s3d_bucket::rebuild(devices, record.id, epoch, Offload::Threads).await;
        self.volumes.detach(&record.volume).await?;
        Ok(rebuilt?)
    }

    async fn record(&self, name: &BucketName) -> Result<BucketRecord, MaintenanceError> {
        let stored = self.records.get::<BucketRecord>(&bucket_key(name)).await?;
        let stored = stored.ok_or_else(|| MaintenanceError::NoSuchBucket(name.clone()))?;
        if stored.record.status != Status::Provisioned {
            return Err(MaintenanceError::Unsettled(name.clone()));
        }
        Ok(stored.record)
    }
}
