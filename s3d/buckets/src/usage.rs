//! What buckets held over time: noted once an hour of those that were open, since others do not change.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use s3d_accounts::clock;
use s3d_bucket::{Bucket, BucketId, Timestamp};
use s3d_names::{BucketName, NamespaceName};
use s3d_records::{RecordError, unchanged};
use s3d_usage::{Point, Sample, Series};

use super::Buckets;
use super::open::OpenBucketError;
use super::record::{BucketRecord, Status, bucket_key};
use super::volumes::VolumeError;

#[cfg(test)]
mod tests;

/// How often it is looked whether the time has come.
const LOOK: Duration = Duration::from_mins(1);

/// What buckets held that were closed since it was noted last, by name.
#[derive(Debug, Default)]
pub struct Closed(Mutex<HashMap<String, (BucketId, Sample)>>);

impl Closed {
    pub fn remember(&self, name: &str, id: BucketId, bucket: &Bucket) {
        let held = (id, sample_of(bucket));
        self.0.lock().insert(name.to_owned(), held);
    }
}

/// Why it was not noted what the pool holds.
#[derive(Debug, thiserror::Error)]
enum NotePoolError {
    /// The volume daemon does not say.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The metadata store failed.
    #[error(transparent)]
    Records(#[from] RecordError),
}

pub async fn run(buckets: Weak<Buckets>) {
    let mut noted = 0;
    loop {
        let Some(strong) = buckets.upgrade() else {
            return;
        };
        let every = strong.settings.usage_every;
        drop(strong);
        tokio::time::sleep(every.min(LOOK)).await;
        let turn = clock::now().0 / (every.as_millis() as u64).max(1);
        if let Some(strong) = buckets.upgrade().filter(|_| turn != noted) {
            strong.note_usage().await;
            noted = turn;
        }
    }
}

impl Buckets {
    /// What a bucket held from `since` on, at most two years ago, the oldest first, and what it holds now. It
    /// is opened if need be.
    pub async fn usage(
        self: &Arc<Self>,
        bucket: &BucketRecord,
        since: Timestamp,
    ) -> Result<Vec<Point>, OpenBucketError> {
        let open = self.open(bucket).await?;
        let now = sample_of(&open);
        let series = Series::bucket(bucket.id);
        let mut points = self.usage.history(&series, since).await?;
        points.push(Point {
            time: clock::now(),
            sample: now,
        });
        Ok(points)
    }

    /// What all buckets of a namespace held from `since` on, as it was noted.
    pub async fn usage_of(
        &self,
        namespace: &NamespaceName,
        since: Timestamp,
    ) -> Result<Vec<Point>, RecordError> {
        let series = Series::namespace(namespace);
        self.usage.history(&series, since).await
    }

    /// What all buckets of a namespace held when it was noted last.
    pub async fn held_by(&self, namespace: &NamespaceName) -> Result<Sample, RecordError> {
        let now = self.usage.now(&Series::namespace(namespace)).await?;
        Ok(now.unwrap_or_default())
    }

    /// What volumes held on the disks of the pool from `since` on, as it was noted.
    pub async fn usage_of_pool(&self, since: Timestamp) -> Result<Vec<Point>, RecordError> {
        self.usage.history(&Series::pool(), since).await
    }

    /// Notes what changed buckets and the pool hold. What cannot be noted is, the next time.
    pub(super) async fn note_usage(&self) {
        for name in self.open.names() {
            if let Some((id, bucket)) = self.open.peek(&name) {
                self.closed.remember(&name, id, &bucket);
            }
        }
        let held = std::mem::take(&mut *self.closed.0.lock());
        for (name, (id, sample)) in held {
            if let Err(error) = self.note(&name, id, sample).await {
                tracing::warn!(bucket = name, %error, "what the bucket holds is not noted");
                self.closed.0.lock().entry(name).or_insert((id, sample));
            }
        }
        if let Err(error) = self.note_pool().await {
            tracing::warn!(%error, "what the pool holds is not noted");
        }
    }

    async fn note(&self, name: &str, id: BucketId, sample: Sample) -> Result<(), RecordError> {
        let Ok(name) = BucketName::new(name) else {
            return Ok(());
        };
        while let Some(stored) = self.read(&name).await? {
            let record = &stored.record;
            if record.id != id || record.status != Status::Provisioned {
                return Ok(());
            }
            let of = Series::bucket(id);
            let within = Series::namespace(&record.namespace);
            // Deleting the bucket changes its record before its history is forgotten: nothing is left.
            let guard = unchanged(bucket_key(&name), &stored);
            let noted = self.usage.note((&of, &within), clock::now(), sample, guard);
            if noted.await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn note_pool(&self) -> Result<(), NotePoolError> {
        let sample = Sample {
            bytes: self.volumes.held().await?,
            objects: 0,
        };
        Ok(self.usage.note_pool(clock::now(), sample).await?)
    }

    /// Forgets a bucket that is being deleted.
    pub(super) async fn forget_usage(&self, record: &BucketRecord) -> Result<(), RecordError> {
        let of = Series::bucket(record.id);
        let within = Series::namespace(&record.namespace);
        self.usage.forget(&of, &within, clock::now()).await
    }
}

fn sample_of(bucket: &Bucket) -> Sample {
    let totals = bucket.totals();
    Sample {
        bytes: totals.bytes(),
        objects: totals.objects,
    }
}
