//! The sweep behind the log leaves alone what a body has claimed, however long the body takes (B8).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use hayrack_sim::bucket::{create, read};
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::rules::{Rule, break_on_this_thread};
use s3d_bucket::{Attributes, Body, Bucket, Condition, Key, ReadError};

/// Groups of one small body each, enough for the log to move on by two segments.
const PUTS: usize = 500;

async fn put(bucket: &Bucket, key: &str, body: Body) {
    let (key, attributes) = (Key::new(key).unwrap(), Attributes::default());
    let stored = bucket.put(key, attributes, body, Condition::default());
    stored.await.unwrap();
}

/// Puts an object whose body is open while the log passes it, and reads it.
async fn passed_by_the_log() -> Result<Vec<u8>, ReadError> {
    let device = SimDevice::new(Image::default(), 1, Weather::default());
    let bucket = create(&device, 1).await.unwrap();
    let mut writer = bucket.writer(Some(1 << 20));
    writer.write(vec![7; 1 << 20].into()).await.unwrap();
    for number in 0..PUTS {
        put(
            &bucket,
            "small",
            Body::Small(vec![number as u8; 64 << 10].into()),
        )
        .await;
    }
    for _ in 0..3 {
        put(&bucket, "small", Body::Small(vec![1; 100].into())).await;
        bucket.checkpoint().await.unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    put(&bucket, "large", writer.finish().await.unwrap()).await;
    let found = bucket
        .find(&Key::new("large").unwrap())
        .await
        .unwrap()
        .unwrap();
    read(&bucket, &found).await
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_log_passes_is_kept() {
    assert_eq!(passed_by_the_log().await.unwrap(), vec![7; 1 << 20]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_swept_is_noticed() {
    break_on_this_thread(Some(Rule::ClaimsInSweep));
    let read = passed_by_the_log().await;
    break_on_this_thread(None);
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
}
