//! A span that is deleted while the compactor moves it is not brought back (B8).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use futures::future::join_all;
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::rules::{Rule, break_on_this_thread};
use s3d_bucket::{
    Attributes, Body, Bucket, BucketId, CheckReport, Condition, Devices, Key, Offload, Options,
};

/// Objects of 1 KiB. Half of what is left in a unit is more than the compactor moves in one change.
const OBJECTS: usize = 3_000;

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

/// Makes the log sparse, and deletes the rest of it while it is rewritten.
async fn deleted_while_moved() -> CheckReport {
    let device = SimDevice::new(Image::default(), 1, Weather::default());
    let devices = Devices {
        data: device.connect(),
        index: device.connect(),
    };
    let options = Options {
        offload: Offload::Inline,
        ..Options::new(1)
    };
    let bucket = Bucket::create(devices, BucketId(1), options).await.unwrap();
    join_all((0..OBJECTS).map(|number| put(&bucket, number))).await;
    settle(&bucket).await;
    let (odd, even): (Vec<_>, Vec<_>) = (0..OBJECTS).partition(|number| number % 2 == 1);
    join_all(odd.into_iter().map(|number| delete(&bucket, number))).await;
    bucket.checkpoint().await.unwrap();
    for number in even {
        delete(&bucket, number).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    settle(&bucket).await;
    settle(&bucket).await;
    bucket.check(true).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_span_that_was_deleted_meanwhile_is_not_moved() {
    let report = deleted_while_moved().await;
    assert_eq!((report.objects, report.spans), (0, 0));
    assert_eq!(report.problems, []);
}

#[tokio::test(start_paused = true)]
async fn a_move_without_its_condition_is_noticed() {
    break_on_this_thread(Some(Rule::ConditionalMove));
    let report = deleted_while_moved().await;
    break_on_this_thread(None);
    assert!(!report.is_sound());
}
