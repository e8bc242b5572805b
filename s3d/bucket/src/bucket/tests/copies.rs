//! Copies within a bucket: no byte moves.

use super::multipart::complete;
use super::*;
use crate::object::Upload;
use crate::requests::{
    Completion, CopyAttributes, CopySource, NamedPart, PartAttributes, PartName,
};

fn source(name: &str) -> CopySource {
    CopySource {
        key: key(name),
        condition: Condition::default(),
    }
}

async fn copy(bucket: &Bucket, from: &str, to: &str) -> Object {
    let (attributes, condition) = (CopyAttributes::default(), Condition::default());
    let copied = bucket.copy(source(from), key(to), attributes, condition);
    copied.await.unwrap().object
}

#[tokio::test(start_paused = true)]
async fn a_copy_outlives_its_source() {
    let device = Arc::default();
    let first = bucket(&device).await;
    put(&first, "a", 3_000_000).await;
    copy(&first, "a", "b").await;
    copy(&first, "b", "b").await;
    first.delete(key("a"), Condition::default()).await.unwrap();
    first.checkpoint().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    assert_eq!(read(&first, "b").await, pattern(3_000_000));
    first.close().await;

    let second = bucket(&device).await;
    assert_eq!(read(&second, "b").await, pattern(3_000_000));
    second.delete(key("b"), Condition::default()).await.unwrap();
    second.checkpoint().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    assert_eq!(rows(&second, Table::Spans).await, 0);
    assert_eq!(second.totals(), Totals::default());
}

#[tokio::test(start_paused = true)]
async fn parts_are_copied_from_any_range() {
    let bucket = bucket(&Arc::default()).await;
    put(&bucket, "a", 3_000_000).await;
    let upload = bucket
        .create_upload(key("b"), Upload::default())
        .await
        .unwrap();
    let mut named = Vec::new();
    let ranges = [
        (1, 1_048_575..1_048_577),
        (2, 0..3_000_000),
        (3, 2_999_999..3_000_000),
    ];
    for (number, range) in ranges {
        let part = PartName {
            key: key("b"),
            upload: upload.clone(),
            number,
        };
        let etag = format!("{number}");
        let attributes = PartAttributes {
            etag: etag.clone(),
            checksum: None,
        };
        let copied = bucket.copy_part(source("a"), Some(range), part, attributes);
        copied.await.unwrap();
        named.push(NamedPart {
            number,
            etag,
            checksum: None,
        });
    }
    let completion = Completion {
        parts: named,
        attributes: Attributes::default(),
    };
    let completed = bucket.complete_upload(key("b"), upload, completion, Condition::default());
    completed.await.unwrap();
    bucket.delete(key("a"), Condition::default()).await.unwrap();
    let bytes = pattern(3_000_000);
    let pieces = [
        &bytes[1_048_575..1_048_577],
        &bytes[..],
        &bytes[2_999_999..],
    ];
    assert_eq!(read(&bucket, "b").await, pieces.concat());
}

#[tokio::test(start_paused = true)]
async fn the_largest_object_of_s3_is_copied_and_both_go() {
    let bucket = bucket(&Arc::default()).await;
    let object = complete(&bucket, &key("a"), 10_000, 9, 0).await;
    let before = rows(&bucket, Table::Slices).await;
    assert_eq!(copy(&bucket, "a", "b").await.size, object.size);
    assert_eq!(rows(&bucket, Table::Slices).await, before);
    assert_eq!(bucket.totals().object_bytes, 2 * object.size);
    for name in ["a", "b"] {
        bucket
            .delete(key(name), Condition::default())
            .await
            .unwrap();
    }
    bucket.checkpoint().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(10)).await;
    for table in [Table::Slices, Table::Spans, Table::Freed, Table::Doomed] {
        assert_eq!(rows(&bucket, table).await, 0, "{table:?}");
    }
}
