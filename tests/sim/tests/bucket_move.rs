//! A span that is deleted while the compactor moves it is not brought back (B8).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use futures::future::join_all;
use hayrack_sim::bucket::create;
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::{Attributes, Body, Bucket, Condition, Key};

/// Objects of 1 KiB. Half of what is left in a unit is more than the compactor moves in one change.
const OBJECTS: usize = 3_000;

/// Deleted at once.
const TOGETHER: usize = 100;

fn key(number: usize) -> Key {
    Key::new(format!("small/{number}")).unwrap()
}

async fn put(bucket: &Bucket, number: usize) {
    let body = Body::Small(vec![number as u8; 1024].into());
    let stored = bucket.put(
        key(number),
        Attributes::default(),
        body,
        Condition::default(),
    );
    stored.await.unwrap();
}

async fn delete(bucket: &Bucket, number: usize) {
    let deleted = bucket.delete(key(number), Condition::default()).await;
    assert!(deleted.unwrap());
}

async fn settle(bucket: &Bucket) {
    bucket.checkpoint().await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_deleted_while_it_is_rewritten_leaves_nothing() {
    let device = SimDevice::new(Image::default(), 1, Weather::default());
    let bucket = create(&device, 1).await.unwrap();
    join_all((0..OBJECTS).map(|number| put(&bucket, number))).await;
    settle(&bucket).await;
    let (odd, mut even): (Vec<_>, Vec<_>) = (0..OBJECTS).partition(|number| number % 2 == 1);
    // Some of each unit at a time.
    even.sort_by_key(|number| number * 7_919 % OBJECTS);
    join_all(odd.into_iter().map(|number| delete(&bucket, number))).await;
    bucket.checkpoint().await.unwrap();
    let held = even.pop().unwrap();
    for some in even.chunks(TOGETHER) {
        // As long as a read is under way the trimmer waits, and knows where these lay before.
        let read = bucket.find(&key(held)).await.unwrap().unwrap();
        join_all(some.iter().map(|number| delete(&bucket, *number))).await;
        bucket.checkpoint().await.unwrap();
        tokio::time::sleep(Duration::from_millis(25)).await;
        drop(read);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    delete(&bucket, held).await;
    settle(&bucket).await;
    settle(&bucket).await;
    let report = bucket.check(true).await.unwrap();
    assert_eq!((report.objects, report.spans), (0, 0));
    assert_eq!(report.problems, []);
}
