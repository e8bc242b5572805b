//! How much a bucket may hold, and what it holds.

use std::sync::Arc;

use s3d_bucket::Totals;

use super::Buckets;
use super::configure::ConfigureError;
use super::open::OpenBucketError;
use super::record::BucketRecord;

/// How full a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketSpace {
    /// Objects.
    pub objects: u64,
    /// Bytes of objects, and of the parts of uploads.
    pub used: u64,
    /// Bytes that can still be written, as far as its quota and the pool allow. Other buckets share the
    /// pool, and what is written takes more of it than its bytes.
    pub free: u64,
}

impl Buckets {
    /// Sets how many bytes the objects and parts of a bucket may have together; `None`: any number.
    /// The next change of the bucket is held to it; what is there already stays.
    pub async fn set_quota(
        &self,
        bucket: &BucketRecord,
        quota: Option<u64>,
    ) -> Result<(), ConfigureError> {
        let name = bucket.name.as_str();
        // Nobody opens the bucket with the old one meanwhile.
        let turn = self.turns.of(name);
        let _turn = turn.lock().await;
        self.configure(bucket, |record| record.settings.quota = quota)
            .await?;
        if let Some(open) = self.open.get(name, bucket.id) {
            open.set_quota(quota);
        }
        Ok(())
    }

    /// What a bucket holds, exactly. It is opened if need be.
    pub async fn totals(
        self: &Arc<Self>,
        bucket: &BucketRecord,
    ) -> Result<Totals, OpenBucketError> {
        Ok(self.open(bucket).await?.totals())
    }

    /// What a bucket holds, and how much more it takes. It is opened if need be.
    pub async fn space(
        self: &Arc<Self>,
        bucket: &BucketRecord,
    ) -> Result<BucketSpace, OpenBucketError> {
        let totals = self.totals(bucket).await?;
        let used = totals.bytes();
        let free = self.volumes.free().await?;
        let quota = bucket.settings.quota;
        let allowed = quota.map_or(u64::MAX, |quota| quota.saturating_sub(used));
        Ok(BucketSpace {
            objects: totals.objects,
            used,
            free: free.min(allowed),
        })
    }
}
