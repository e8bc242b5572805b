//! A pool that is full, where deletes still work.

use std::time::Duration;

use super::multipart::complete;
use super::*;
use crate::errors::ChangeError;
use crate::offload::Offload;

#[tokio::test(start_paused = true)]
async fn the_largest_object_of_s3_can_be_deleted_in_a_full_pool() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    complete(&bucket, &key("a"), 10_000, 9, 0).await;
    device.full.store(true, Ordering::Relaxed);
    let refused = bucket.put(
        key("b"),
        Attributes::default(),
        Body::Small(Bytes::from_static(b"b")),
        Condition::default(),
    );
    assert_eq!(refused.await.unwrap_err(), ChangeError::NoSpace);
    let deleted = bucket.delete(key("a"), Condition::default()).await;
    assert_eq!(deleted, Ok(true));
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(rows(&bucket, Table::Spans).await, 0);
}

/// The pool fills up at once, before anything ran in the background.
#[tokio::test(start_paused = true)]
async fn the_first_object_of_a_bucket_can_be_deleted_in_a_full_pool() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    put(&bucket, "a", 5_000).await;
    device.full.store(true, Ordering::Relaxed);
    let deleted = bucket.delete(key("a"), Condition::default()).await;
    assert_eq!(deleted, Ok(true));
}

/// A delete in a full pool is committed while a fold runs that does not take its rows.
#[tokio::test(start_paused = true)]
async fn what_is_deleted_during_a_fold_comes_back_without_another_change() {
    let device = Arc::new(Sparse {
        flushes: Some(Semaphore::new(1)),
        ..Sparse::default()
    });
    let devices = Devices {
        data: device.clone(),
        index: device.clone(),
    };
    let options = Options {
        offload: Offload::Threads,
        ..Options::new(1)
    };
    let bucket = Bucket::create(devices, BucketId(1), options).await.unwrap();
    put(&bucket, "a", 3_000_000).await;
    assert!(bucket.shared.reserve.is_held());
    let flushes = device.flushes.as_ref().unwrap();
    let held = flushes.acquire().await.unwrap();
    // The memtable is large enough then: a fold begins, and waits for its flush.
    for name in ["b", "c"] {
        let attributes = Attributes {
            metadata: vec![("long".into(), "x".repeat(9 << 20))],
            ..Attributes::default()
        };
        let body = Body::Small(Bytes::new());
        let put = bucket.put(key(name), attributes, body, Condition::default());
        put.await.unwrap();
    }
    let is_folding = |reader: &Reader| Ok(reader.tables().frozen.is_some());
    assert!(bucket.shared.index.read(is_folding).await.unwrap());
    device.full.store(true, Ordering::Relaxed);
    let deleted = bucket.delete(key("a"), Condition::default()).await;
    assert_eq!(deleted, Ok(true));
    assert!(bucket.shared.index.read(is_folding).await.unwrap());
    let before = *device.trimmed.lock();
    drop(held);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(*device.trimmed.lock() - before >= 3_000_000);
}

/// Objects of `length` bytes fill a pool of so many blocks, all of them are deleted, and one finds room again.
async fn fill_and_empty(blocks: usize, length: usize) {
    let device = Arc::new(Sparse {
        capacity: Some(blocks),
        ..Sparse::default()
    });
    let bucket = bucket(&device).await;
    let mut count = 0;
    while try_put(&bucket, &count.to_string(), length).await.is_ok() {
        count += 1;
    }
    assert!(count > 0, "{blocks} blocks");
    for name in 0..count {
        let deleted = bucket.delete(key(&name.to_string()), Condition::default());
        assert_eq!(
            deleted.await,
            Ok(true),
            "{name} of {count}, {blocks} blocks"
        );
    }
    tokio::time::sleep(Duration::from_mins(10)).await;
    let put = try_put(&bucket, "again", length).await;
    assert_eq!(
        put,
        Ok(()),
        "{} of {blocks} blocks are taken",
        device.used()
    );
}

async fn try_put(bucket: &Bucket, name: &str, length: usize) -> Result<(), ChangeError> {
    let mut writer = bucket.writer(Some(length as u64));
    writer.write(pattern(length)).await?;
    let body: Body = writer.finish().await?;
    let (attributes, condition) = (Attributes::default(), Condition::default());
    bucket.put(key(name), attributes, body, condition).await?;
    Ok(())
}

/// However much room the last object left.
#[tokio::test(start_paused = true)]
async fn a_pool_that_large_objects_filled_takes_some_again_once_they_are_deleted() {
    for blocks in (2_000..2_600).step_by(7) {
        fill_and_empty(blocks, 1_000_000).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_small_objects_filled_takes_some_again_once_they_are_deleted() {
    for blocks in [2_000, 4_000, 8_000, 12_000] {
        fill_and_empty(blocks, 1_000).await;
    }
}

/// The power is cut when a fold in slices has come as far as it can before its position is durable.
#[tokio::test(start_paused = true)]
async fn a_replay_repeats_what_was_folded_in_slices() {
    const OBJECTS: usize = 300;
    let length = |number: usize| 1 + number * 977 % 90_000;
    let device: Arc<Sparse> = Arc::default();
    let before = bucket(&device).await;
    for number in 0..OBJECTS {
        put(&before, &number.to_string(), length(number)).await;
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    for number in (0..OBJECTS).step_by(3) {
        let deleted = before.delete(key(&number.to_string()), Condition::default());
        assert_eq!(deleted.await, Ok(true));
        put(&before, &(number + 1).to_string(), length(number)).await;
    }
    let index = &before.shared.index;
    let slices = index.store().fold_in_slices(&index.freeze());
    assert_eq!(slices, Ok(()));

    let device = Arc::new(device.snapshot());
    let after = open_with(&device, Options::new(2)).await;
    assert_eq!(after.check(true).await.unwrap().problems, []);
    for number in (0..OBJECTS).step_by(3) {
        let name = |more: usize| (number + more).to_string();
        assert!(after.find(&key(&name(0))).await.unwrap().is_none());
        assert_eq!(read(&after, &name(1)).await, pattern(length(number)));
        assert_eq!(read(&after, &name(2)).await, pattern(length(number + 2)));
    }
}
