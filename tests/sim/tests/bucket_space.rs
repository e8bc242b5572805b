//! Space comes back: what is deleted or overwritten is TRIMmed (B7), and a read that began before
//! still gets its bytes.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hayrack_sim::bucket::create;
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::{Attributes, Body, Bucket, Condition, Key};

const DATA_ZONE: u64 = 1 << 50;

async fn bucket(device: &Arc<SimDevice>) -> Bucket {
    create(device, 1).await.expect("a new bucket")
}

async fn put(bucket: &Bucket, key: &str, length: usize) {
    let mut writer = bucket.writer(Some(length as u64));
    writer.write(Bytes::from(vec![7; length])).await.unwrap();
    let body = writer.finish().await.unwrap();
    let key = Key::new(key).unwrap();
    bucket
        .put(key, Attributes::default(), body, Condition::default())
        .await
        .unwrap();
}

/// Long enough, in paused time, for the trimmer to have done what it can.
async fn settle(bucket: &Bucket) {
    bucket.checkpoint().await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
}

#[tokio::test(start_paused = true)]
async fn deleted_objects_give_their_space_back() {
    let device = SimDevice::new(Image::default(), 1, Weather::default());
    let bucket = bucket(&device).await;
    for n in 0..60 {
        put(&bucket, &format!("small/{n}"), 100 + n * 97).await;
    }
    put(&bucket, "large", 5_000_001).await;
    let full = device.allocated(DATA_ZONE..u64::MAX);
    for n in 0..60 {
        bucket
            .delete(
                Key::new(format!("small/{n}")).unwrap(),
                Condition::default(),
            )
            .await
            .unwrap();
    }
    bucket
        .delete(Key::new("large").unwrap(), Condition::default())
        .await
        .unwrap();
    settle(&bucket).await;
    let left = device.allocated(DATA_ZONE..u64::MAX);
    // What is left is the log's own records, a few hundred bytes a change.
    assert!(
        full > 5_000_000 && left < 900_000,
        "{left} of {full} bytes are still allocated"
    );
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_in_the_same_block_is_left_alone() {
    let device = SimDevice::new(Image::default(), 2, Weather::default());
    let bucket = Arc::new(bucket(&device).await);
    // Put together, so that they travel in one group and share its blocks.
    let puts = (0..20).map(|n| {
        let bucket = bucket.clone();
        tokio::spawn(async move { put(&bucket, &format!("{n:02}"), 300).await })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap();
    }
    for n in (0..20).filter(|n| n % 3 != 0) {
        bucket
            .delete(Key::new(format!("{n:02}")).unwrap(), Condition::default())
            .await
            .unwrap();
    }
    settle(&bucket).await;
    for n in (0..20).filter(|n| n % 3 == 0) {
        let found = bucket
            .find(&Key::new(format!("{n:02}")).unwrap())
            .await
            .unwrap()
            .unwrap();
        let bytes = bucket.read(&found, 0..300).next().await.unwrap().unwrap();
        assert_eq!(bytes, vec![7; 300]);
    }
}

/// Deletes the objects of these numbers, together.
async fn delete_numbered(bucket: &Arc<Bucket>, numbers: impl Iterator<Item = usize>) {
    let deletes = numbers.map(|n| {
        let bucket = bucket.clone();
        let key = Key::new(format!("{n}")).unwrap();
        tokio::spawn(async move { bucket.delete(key, Condition::default()).await })
    });
    for delete in deletes.collect::<Vec<_>>() {
        assert!(delete.await.unwrap().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn blocks_that_only_freed_objects_share_come_back() {
    // Four bodies to a block, 50 blocks; deleted at once, or half of each block after the other.
    for halves in [1, 2] {
        let device = SimDevice::new(Image::default(), 9, Weather::default());
        let bucket = Arc::new(bucket(&device).await);
        let puts = (0..200).map(|n| {
            let bucket = bucket.clone();
            tokio::spawn(async move { put(&bucket, &format!("{n}"), 1000).await })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await.unwrap();
        }
        let full = device.allocated(DATA_ZONE..u64::MAX);
        for half in 0..halves {
            delete_numbered(&bucket, (half..200).step_by(halves)).await;
            settle(&bucket).await;
        }
        let left = device.allocated(DATA_ZONE..u64::MAX);
        // The log's own records are less than ten blocks.
        assert!(
            left + 40 * 4096 <= full,
            "{left} of {full} bytes are left of {halves} halves"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_began_before_a_delete_gets_its_bytes() {
    let device = SimDevice::new(Image::default(), 3, Weather::default());
    let bucket = bucket(&device).await;
    // Of unknown length: it gets two spans, and the second one is looked up after the delete.
    let mut writer = bucket.writer(None);
    writer.write(Bytes::from(vec![7; 3_000_000])).await.unwrap();
    let body = writer.finish().await.unwrap();
    let key = Key::new("large").unwrap();
    bucket
        .put(
            key.clone(),
            Attributes::default(),
            body,
            Condition::default(),
        )
        .await
        .unwrap();
    let found = bucket.find(&key).await.unwrap().unwrap();
    let body = Body::Small(Bytes::from_static(b"new"));
    bucket
        .put(key, Attributes::default(), body, Condition::default())
        .await
        .unwrap();
    settle(&bucket).await;
    let mut reader = bucket.read(&found, 0..found.size);
    let mut length = 0;
    while let Some(chunk) = reader.next().await {
        let chunk = chunk.unwrap();
        assert!(chunk.iter().all(|byte| *byte == 7));
        length += chunk.len();
    }
    assert_eq!(length, 3_000_000);
    let before = device.allocated(DATA_ZONE..u64::MAX);
    drop((reader, found));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(device.allocated(DATA_ZONE..u64::MAX) + 2_900_000 < before);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_given_up_gives_its_space_back() {
    let device = SimDevice::new(Image::default(), 4, Weather::default());
    let bucket = bucket(&device).await;
    let before = device.allocated(DATA_ZONE..u64::MAX);
    let mut writer = bucket.writer(Some(50_000_000));
    writer.write(Bytes::from(vec![7; 5_000_000])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(device.allocated(DATA_ZONE..u64::MAX) > before);
    drop(writer);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(device.allocated(DATA_ZONE..u64::MAX), before);

    let mut writer = bucket.writer(None);
    writer.write(Bytes::from(vec![7; 5_000_000])).await.unwrap();
    let body = writer.finish().await.unwrap();
    let refused = Condition::etag("none");
    let key = Key::new("refused").unwrap();
    bucket
        .put(key, Attributes::default(), body, refused)
        .await
        .unwrap_err();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(device.allocated(DATA_ZONE..u64::MAX), before);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_is_given_back_at_open_and_nothing_else() {
    let device = SimDevice::new(Image::default(), 5, Weather::default());
    let first = bucket(&device).await;
    put(&first, "folded", 200_000).await;
    first.checkpoint().await.unwrap();
    put(&first, "small", 2_000).await;
    let mut writer = first.writer(None);
    writer.write(Bytes::from(vec![7; 9_000_000])).await.unwrap();
    put(&first, "large", 3_000_000).await;
    let before = device.allocated(DATA_ZONE..u64::MAX);
    let image = device.cut_power();

    let device = SimDevice::new(image, 6, Weather::default());
    let second = bucket(&device).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(device.allocated(DATA_ZONE..u64::MAX) + 8_000_000 < before);
    for (key, length) in [("folded", 200_000), ("small", 2_000), ("large", 3_000_000)] {
        let found = second.find(&Key::new(key).unwrap()).await.unwrap().unwrap();
        let mut reader = second.read(&found, 0..length);
        let mut read = 0;
        while let Some(chunk) = reader.next().await {
            read += chunk.unwrap().len() as u64;
        }
        assert_eq!(read, length, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_that_a_later_read_pins_is_not_trimmed_with_its_neighbour() {
    let device = SimDevice::new(Image::default(), 7, Weather::default());
    let bucket = Arc::new(bucket(&device).await);
    put(&bucket, "long", 3_000_000).await;
    let puts = ["a", "b"].map(|key| {
        let bucket = bucket.clone();
        tokio::spawn(async move { put(&bucket, key, 300).await })
    });
    for put in puts {
        put.await.unwrap();
    }
    let find = async |key: &str| bucket.find(&Key::new(key).unwrap()).await.unwrap().unwrap();
    let delete = async |key: &str| {
        bucket
            .delete(Key::new(key).unwrap(), Condition::default())
            .await
            .unwrap();
    };
    let long = find("long").await;
    delete("a").await;
    settle(&bucket).await;
    // The trimmer waits for the long read; the next read begins, and its object is deleted.
    let found = find("b").await;
    delete("b").await;
    settle(&bucket).await;
    drop(long);
    tokio::time::sleep(Duration::from_mins(1)).await;
    let bytes = bucket.read(&found, 0..300).next().await.unwrap().unwrap();
    assert_eq!(bytes, vec![7; 300]);
}

#[tokio::test(start_paused = true)]
async fn changes_that_are_too_long_together_are_made_apart() {
    let device = SimDevice::new(Image::default(), 8, Weather::default());
    let bucket = Arc::new(bucket(&device).await);
    let puts = (0..100).map(|n| {
        let bucket = bucket.clone();
        tokio::spawn(async move {
            let metadata = vec![("long".to_owned(), "x".repeat(200_000))];
            let attributes = Attributes {
                metadata,
                ..Attributes::default()
            };
            let body = Body::Small(Bytes::from_static(b"short"));
            let key = Key::new(format!("{n}")).unwrap();
            bucket
                .put(key, attributes, body, Condition::default())
                .await
        })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap().unwrap();
    }
    let metadata = vec![("long".to_owned(), "x".repeat(17 << 20))];
    let attributes = Attributes {
        metadata,
        ..Attributes::default()
    };
    let body = Body::Small(Bytes::from_static(b"short"));
    let alone = bucket
        .put(
            Key::new("alone").unwrap(),
            attributes,
            body,
            Condition::default(),
        )
        .await;
    assert_eq!(alone.unwrap_err(), s3d_bucket::ChangeError::TooLarge);
}

fn small(number: usize) -> (Key, Bytes) {
    let key = Key::new(format!("{number:06}")).unwrap();
    (key, vec![number as u8; 1024].into())
}

/// Puts or deletes objects of 1 KiB, 32 at a time.
async fn change_small(bucket: &Arc<Bucket>, numbers: &[usize], put: bool) {
    for together in numbers.chunks(32) {
        let changes = together.iter().map(|number| {
            let (bucket, (key, bytes)) = (bucket.clone(), small(*number));
            tokio::spawn(async move {
                if put {
                    let (attributes, body) = (Attributes::default(), Body::Small(bytes));
                    let stored = bucket.put(key, attributes, body, Condition::default());
                    stored.await.unwrap();
                } else {
                    assert!(bucket.delete(key, Condition::default()).await.unwrap());
                }
            })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sparse_space_is_rewritten_and_the_index_shrinks() {
    const OBJECTS: usize = 20_000;
    let device = SimDevice::new(Image::default(), 10, Weather::default());
    let bucket = Arc::new(bucket(&device).await);
    let all: Vec<usize> = (0..OBJECTS).collect();
    change_small(&bucket, &all, true).await;
    settle(&bucket).await;
    let found = bucket.find(&small(7).0).await.unwrap().unwrap();
    let full = device.allocated(0..u64::MAX);

    // Nine of ten, none of them next to each other more often than by chance.
    let kept = |number: &usize| number % 97 % 10 == 7;
    let (kept, gone): (Vec<usize>, Vec<usize>) = all.into_iter().partition(kept);
    change_small(&bucket, &gone, false).await;
    settle(&bucket).await;
    // What was found before anything was moved is still there.
    let bytes = bucket.read(&found, 0..1024).next().await.unwrap();
    assert_eq!(bytes.unwrap(), small(7).1);
    drop(found);
    settle(&bucket).await;

    let (data, index) = (
        device.allocated(DATA_ZONE..u64::MAX),
        device.allocated(0..DATA_ZONE),
    );
    let live = kept.len() as u64 * 1024;
    assert!(
        data < 2 * live && data + index < full / 4,
        "{data} bytes of data and {index} of index for {live} live ones; {full} before"
    );
    let report = bucket.check(true).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.objects, kept.len() as u64);

    bucket.close().await;
    drop(bucket);
    let device = SimDevice::new(device.cut_power(), 11, Weather::default());
    let bucket = self::bucket(&device).await;
    for number in kept {
        let (key, bytes) = small(number);
        let found = bucket.find(&key).await.unwrap().unwrap();
        let read = bucket.read(&found, 0..1024).next().await.unwrap();
        assert_eq!(read.unwrap(), bytes);
    }
}
