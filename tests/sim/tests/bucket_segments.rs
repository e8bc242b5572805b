//! Objects in more groups than one segment of the log holds: no address is given out twice (B8).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use bytes::Bytes;
use hayrack_sim::bucket::{create, read};
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::{Attributes, Body, Bucket, Condition, Key};

const SEGMENT: u64 = 16 << 20;
const BLOCK: u64 = 4096;

async fn bucket(image: Image, epoch: u64) -> (Bucket, std::sync::Arc<SimDevice>) {
    let device = SimDevice::new(image, epoch, Weather::default());
    let bucket = create(&device, epoch).await.unwrap();
    (bucket, device)
}

/// The name of an object, and its bytes: no two objects have the same.
fn object(number: usize, length: usize) -> (Key, Bytes) {
    let name = format!("{number:08}");
    let bytes = name.bytes().cycle().take(length).collect();
    (Key::new(name).unwrap(), bytes)
}

async fn put(bucket: &Bucket, number: usize, length: usize) {
    let (key, bytes) = object(number, length);
    bucket
        .put(
            key,
            Attributes::default(),
            Body::Small(bytes),
            Condition::default(),
        )
        .await
        .unwrap();
}

async fn assert_there(bucket: &Bucket, number: usize, length: usize) {
    let (key, bytes) = object(number, length);
    let found = bucket.find(&key).await.unwrap().unwrap();
    let read = read(bucket, &found).await.unwrap();
    assert_eq!(read, bytes, "object {number} of {length} bytes");
}

#[tokio::test(start_paused = true)]
async fn groups_that_fill_a_segment_to_its_end_are_all_kept() {
    let (first, device) = bucket(Image::default(), 1).await;
    // One at a time, each in a group of one block.
    let count = (2 * SEGMENT / BLOCK + 10) as usize;
    for number in 0..count {
        put(&first, number, 100).await;
    }
    for number in 0..count {
        assert_there(&first, number, 100).await;
    }
    let (second, _) = bucket(device.cut_power(), 2).await;
    for number in 0..count {
        assert_there(&second, number, 100).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_behind_the_logs_segment_is_none_of_its_groups() {
    let (bucket, device) = bucket(Image::default(), 1).await;
    // The first group takes the segment after its own ahead; the body comes right behind that.
    put(&bucket, 0, 100).await;
    let large = Bytes::from(vec![7; 1 << 20]);
    let mut writer = bucket.writer(Some(large.len() as u64));
    writer.write(large.clone()).await.unwrap();
    let body = writer.finish().await.unwrap();
    let name = || Key::new("large").unwrap();
    let stored = bucket.put(name(), Attributes::default(), body, Condition::default());
    stored.await.unwrap();

    // Both segments are filled with groups of many bodies, each of one block.
    let together = 64;
    let count = (2 * SEGMENT / BLOCK) as usize;
    for number in (1..count).step_by(together) {
        let puts = (number..number + together).map(|it| put(&bucket, it, BLOCK as usize));
        futures::future::join_all(puts).await;
    }

    let (second, _) = self::bucket(device.cut_power(), 2).await;
    for number in 1..count {
        assert_there(&second, number, BLOCK as usize).await;
    }
    let found = second.find(&name()).await.unwrap().unwrap();
    assert!(read(&second, &found).await.unwrap() == large);
}
