//! Checking and repairing a bucket that no server has open.

use std::sync::Arc;

use s3d_bucket::{CheckReport, Offload, OpenError, Problem, RebuildReport};
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

/// What lies where a bucket's volume is known to be damaged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// Damaged bytes of the volume, whole blocks of 4 KiB.
    pub bytes: u64,
    /// Objects by key, and what the bucket itself is made of.
    pub problems: Vec<Problem>,
    /// The volume is damaged elsewhere, too, which is not listed.
    pub more: bool,
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
        let attached = self.volumes.attach_unless_served(&record.volume).await?;
        let offload = Offload::Threads;
        let checked = s3d_bucket::check(attached.devices, record.id, offload, deep).await;
        self.volumes.detach(&record.volume).await?;
        Ok((checked?, self.volumes.used(&record.volume).await?))
    }

    /// What lies where the bucket's volume is known to be damaged.
    pub async fn damage(&self, name: &BucketName) -> Result<Damage, MaintenanceError> {
        let record = self.record(name).await?;
        let (ranges, more) = self.volumes.damage(&record.volume).await?;
        let bytes = ranges.iter().map(|range| range.end - range.start).sum();
        if ranges.is_empty() {
            let problems = Vec::new();
            return Ok(Damage {
                bytes,
                problems,
                more,
            });
        }
        let attached = self.volumes.attach_unless_served(&record.volume).await?;
        let offload = Offload::Threads;
        let named = s3d_bucket::damage(attached.devices, record.id, offload, ranges).await;
        self.volumes.detach(&record.volume).await?;
        let problems = named?;
        Ok(Damage {
            bytes,
            problems,
            more,
        })
    }

    /// Builds a bucket's index anew from what can be read of it, its log and its objects.
    pub async fn rebuild(&self, name: &BucketName) -> Result<RebuildReport, MaintenanceError> {
        let record = self.record(name).await?;
        let attached = self.volumes.attach_unless_served(&record.volume).await?;
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
