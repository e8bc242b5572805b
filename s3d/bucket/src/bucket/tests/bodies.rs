//! Bodies whose connection breaks before they are durable.

use super::*;
use crate::blob::writer::BodyWriter;
use crate::errors::ChangeError;

/// A writer of a body of several runs, all but the last of which are answered.
async fn begun(bucket: &Bucket) -> BodyWriter {
    let mut writer = bucket.writer(None);
    writer.write(pattern(3_500_000)).await.unwrap();
    tokio::task::yield_now().await;
    writer
}

#[tokio::test(start_paused = true)]
async fn what_a_restarted_daemon_still_has_is_taken() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    let writer = begun(&bucket).await;
    device.breaks.fetch_add(1, Ordering::Relaxed);
    let reads = *device.reads.lock();
    let body = writer.finish().await.unwrap();
    assert_eq!(*device.reads.lock() - reads, 4, "a read for each run");
    let (attributes, condition) = (Attributes::default(), Condition::default());
    let stored = bucket.put(key("a"), attributes, body, condition).await;
    stored.unwrap();
    assert_eq!(read(&bucket, "a").await, pattern(3_500_000));
}

#[tokio::test(start_paused = true)]
async fn what_a_restarted_daemon_lost_is_refused() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    let writer = begun(&bucket).await;
    device.breaks.fetch_add(1, Ordering::Relaxed);
    device.lose_last_block();
    let refused = writer.finish().await;
    assert_eq!(refused.err(), Some(ChangeError::BodyLost));
}

#[tokio::test(start_paused = true)]
async fn what_was_written_after_the_break_alone_is_not_read_back() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    device.breaks.fetch_add(1, Ordering::Relaxed);
    let reads = *device.reads.lock();
    begun(&bucket).await.finish().await.unwrap();
    assert_eq!(*device.reads.lock(), reads);
}
