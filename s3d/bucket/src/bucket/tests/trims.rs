//! When the space of what was deleted comes back.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;

const LENGTH: usize = 3_000_000;

/// A bucket in which an object was deleted, and what was TRIMmed before.
async fn with_a_deleted_object(device: &Arc<Sparse>) -> (Bucket, u64) {
    let bucket = bucket(device).await;
    put(&bucket, "a", LENGTH).await;
    let deleted = bucket.delete(key("a"), Condition::default()).await;
    assert_eq!(deleted, Ok(true));
    bucket.checkpoint().await.unwrap();
    let before = *device.trimmed.lock();
    (bucket, before)
}

async fn put_for(bucket: &Bucket, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        put(bucket, "b", 4096).await;
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn space_comes_back_in_a_lull() {
    let device: Arc<Sparse> = Arc::default();
    let (bucket, before) = with_a_deleted_object(&device).await;
    put_for(&bucket, Duration::from_secs(5)).await;
    assert!(*device.trimmed.lock() - before < LENGTH as u64);
    sleep(Duration::from_secs(2)).await;
    assert!(*device.trimmed.lock() - before >= LENGTH as u64);
}

#[tokio::test(start_paused = true)]
async fn space_comes_back_under_a_load_without_a_lull() {
    let device: Arc<Sparse> = Arc::default();
    let (bucket, before) = with_a_deleted_object(&device).await;
    put_for(&bucket, Duration::from_secs(15)).await;
    assert!(*device.trimmed.lock() - before >= LENGTH as u64);
}
