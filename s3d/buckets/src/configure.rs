//! Changing what is set on a bucket.

use super::Buckets;
use super::record::{BucketRecord, bucket_key};
use s3d_records::{RecordError, put, unchanged};

/// Why a bucket could not be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// There is no such bucket.
    #[error("there is no such bucket")]
    NoSuchBucket,
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Buckets {
    /// Changes the ACL or the settings of this very bucket. `change` is applied to the record as
    /// it is then, more than once if others change it at the same time.
    pub async fn configure(
        &self,
        bucket: &BucketRecord,
        change: impl Fn(&mut BucketRecord),
    ) -> Result<(), ConfigureError> {
        let name = &bucket.name;
        loop {
            let stored = self.read_living(bucket).await?;
            let stored = stored.ok_or(ConfigureError::NoSuchBucket)?;
            let mut record = stored.record.clone();
            change(&mut record);
            let conditions = vec![unchanged(bucket_key(name), &stored)];
            let changes = vec![put(bucket_key(name), &record)];
            if self.records.commit(conditions, changes).await? {
                self.known.remove(name.as_str());
                return Ok(());
            }
        }
    }
}
