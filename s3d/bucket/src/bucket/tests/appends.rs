//! Appends to the objects of an open bucket.

use super::*;
use crate::errors::ChangeError;
use crate::requests::{Addition, CopyAttributes, CopySource};

async fn append(bucket: &Bucket, name: &str, bytes: Bytes) -> Result<Object, ChangeError> {
    let found = bucket.find(&key(name)).await.unwrap().unwrap();
    let addition = Addition {
        offset: found.size,
        onto: found.sequence,
        etag: "appended".into(),
        checksum: None,
    };
    let mut writer = bucket.writer(Some(bytes.len() as u64));
    writer.write(bytes).await?;
    let body = writer.finish().await?;
    let appended = bucket.append(key(name), addition, body, Condition::default());
    Ok(appended.await?.object)
}

/// As many bytes as a pattern has from here on.
fn piece(from: usize, length: usize) -> Bytes {
    pattern(from + length).slice(from..)
}

#[tokio::test(start_paused = true)]
async fn small_and_large_bodies_are_appended() {
    let device: Arc<Sparse> = Arc::default();
    let first = bucket(&device).await;
    let mut size = 0;
    put(&first, "a", size).await;
    for length in [1, 70_000, 5, 3_000_000, 1_000, 1_048_576, 1] {
        let stored = append(&first, "a", piece(size, length)).await.unwrap();
        size += length;
        assert_eq!(stored.size, size as u64);
        assert_eq!(read(&first, "a").await, pattern(size));
    }
    assert_eq!(first.totals().object_bytes, size as u64);
    // As the power would leave it, and as a fold does.
    let torn = bucket(&Arc::new(device.snapshot())).await;
    first.close().await;
    let second = bucket(&device).await;
    for bucket in [torn, second] {
        assert_eq!(read(&bucket, "a").await, pattern(size));
        append(&bucket, "a", piece(size, 10)).await.unwrap();
        assert_eq!(read(&bucket, "a").await, pattern(size + 10));
        assert!(bucket.check(true).await.unwrap().is_sound());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_reads_on_what_the_object_was() {
    let bucket = bucket(&Arc::default()).await;
    put(&bucket, "a", 300).await;
    let mut held = Vec::new();
    for n in 1..=600 {
        if n % 50 == 1 {
            let found = bucket.find(&key("a")).await.unwrap().unwrap();
            let mut reader = bucket.read(&found, 0..found.size);
            // It has begun, and goes on behind the appends.
            let begun = reader.next().await.unwrap().unwrap();
            held.push((found, reader, begun));
        }
        append(&bucket, "a", piece(n * 300, 300)).await.unwrap();
        if n % 200 == 0 {
            bucket.checkpoint().await.unwrap();
        }
    }
    bucket.delete(key("a"), Condition::default()).await.unwrap();
    for (found, mut reader, begun) in held {
        let mut bytes = BytesMut::from(&begun[..]);
        while let Some(chunk) = reader.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(bytes, pattern(found.size as usize));
    }
}

#[tokio::test(start_paused = true)]
async fn any_range_of_what_was_appended_to_can_be_read() {
    let bucket = bucket(&Arc::default()).await;
    put(&bucket, "a", 0).await;
    let mut size = 0;
    for n in 0..300 {
        let length = 1 + n % 7;
        append(&bucket, "a", piece(size, length)).await.unwrap();
        size += length;
    }
    let whole = pattern(size);
    let found = bucket.find(&key("a")).await.unwrap().unwrap();
    for (from, to) in [
        (0, 1),
        (0, size),
        (500, 501),
        (499, 900),
        (size - 1, size),
        (7, 7),
    ] {
        let mut reader = bucket.read(&found, from as u64..to as u64);
        let mut bytes = BytesMut::new();
        while let Some(chunk) = reader.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(bytes, whole[from..to]);
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_appends_can_be_copied_and_given_back() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    put(&bucket, "a", 0).await;
    let began = std::time::Instant::now();
    for n in 0..10_000 {
        append(&bucket, "a", piece(0, 1024)).await.unwrap();
        if (n + 1) % 1_000 == 0 {
            println!("{} appends after {:?}", n + 1, began.elapsed());
        }
    }
    let source = CopySource {
        key: key("a"),
        condition: Condition::default(),
    };
    let (same, any) = (CopyAttributes::default(), Condition::default());
    bucket.copy(source, key("b"), same, any).await.unwrap();
    append(&bucket, "b", piece(0, 1024)).await.unwrap();
    assert_eq!(read(&bucket, "a").await, piece(0, 1024).repeat(10_000));
    assert_eq!(read(&bucket, "b").await.len(), 10_001 * 1024);
    assert!(bucket.check(true).await.unwrap().is_sound());
    for name in ["a", "b"] {
        let deleted = bucket.delete(key(name), Condition::default()).await;
        assert_eq!(deleted, Ok(true));
    }
    tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    bucket.checkpoint().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    assert_eq!(
        (
            rows(&bucket, Table::Spans).await,
            rows(&bucket, Table::Slices).await
        ),
        (0, 0)
    );
}
