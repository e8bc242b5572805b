use std::time::Duration;

use s3d_accounts::clock;
use s3d_bucket::Timestamp;

use crate::record::BucketRecord;
use crate::tests::{Rack, settings};
use crate::{BucketSettings, Sample};

/// Milliseconds of 30 days.
const MONTH: u64 = 30 * 24 * 3_600_000;

const HELD: Sample = Sample {
    bytes: 5,
    objects: 1,
};

impl Rack {
    /// A bucket with one object of five bytes.
    async fn filled(&self, name: &str) -> BucketRecord {
        let record = self.create(name).await;
        self.put(&record).await;
        record
    }

    async fn held(&self) -> Sample {
        self.buckets.held_by(&self.home).await.unwrap()
    }

    /// The keys of all series of buckets.
    async fn noted(&self) -> usize {
        let series = "s3d/usage/bucket/";
        let records = self.buckets.records.list::<serde_json::Value>(series);
        records.await.unwrap().len()
    }
}

#[tokio::test]
async fn what_buckets_hold_is_noted_and_outlives_a_restart() {
    let rack = Rack::new().await;
    let record = rack.filled("first").await;
    rack.filled("second").await;
    assert_eq!(rack.held().await, Sample::default());
    rack.buckets.note_usage().await;
    let both = Sample {
        bytes: 10,
        objects: 2,
    };
    assert_eq!(rack.held().await, both);
    let rack = rack.restart();
    assert_eq!(rack.held().await, both);
    let since = Timestamp(clock::now().0 - MONTH);
    let points = rack.buckets.usage(&record, since).await;
    let samples: Vec<Sample> = points.unwrap().iter().map(|it| it.sample).collect();
    assert_eq!(samples, [HELD, HELD], "as it was noted, and now");
    let pool = rack.buckets.usage_of_pool(since).await;
    assert_eq!(pool.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_closed_meanwhile_is_noted() {
    let rack = Rack::with(BucketSettings {
        usage_every: Duration::from_millis(20),
        idle: Duration::ZERO,
        ..settings()
    })
    .await;
    rack.filled("first").await;
    while rack.held().await != HELD || rack.buckets.open_count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_bucket_that_is_deleted_leaves_nothing() {
    let rack = Rack::new().await;
    let record = rack.filled("first").await;
    rack.buckets.note_usage().await;
    assert!(rack.noted().await > 0);
    rack.buckets.delete(&record, true).await.unwrap();
    assert_eq!(
        (rack.held().await, rack.noted().await),
        (Sample::default(), 0)
    );
    // What it held when it was closed is not noted any more.
    rack.buckets.note_usage().await;
    assert_eq!(
        (rack.held().await, rack.noted().await),
        (Sample::default(), 0)
    );
}
