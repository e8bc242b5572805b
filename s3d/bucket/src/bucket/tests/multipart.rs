//! Multipart uploads, up to objects as large as S3 knows them: their spans are named without their
//! bytes having been written.

use bytes::Bytes;

use super::*;
use crate::CHECKED_RUN;
use crate::format::layout::MAX_SPAN;
use crate::object::{Upload, UploadId};
use crate::requests::{Completion, NamedPart, StoredSpan};

const WHOLE_SUMS: usize = (MAX_SPAN / CHECKED_RUN) as usize;

/// An upload of `parts` parts of as many spans as `spans` says, each with so many sums.
pub async fn upload(
    bucket: &Bucket,
    key: &Key,
    parts: u16,
    spans: u64,
    sums: usize,
) -> (UploadId, Completion) {
    let upload = bucket.create_upload(key.clone(), Upload::default()).await;
    let upload = upload.unwrap();
    let mut named = Vec::new();
    for number in 1..=parts {
        let mut stored = Vec::new();
        for _ in 0..spans {
            let claim = bucket.shared.space.claim(MAX_SPAN).await.unwrap();
            stored.push(StoredSpan {
                claim: Arc::new(claim),
                length: MAX_SPAN,
                sums: vec![0xC0FF_EE00; sums],
            });
        }
        let etag = "9e107d9d372bb6826bd81d3542a419d6".to_owned();
        let (key, id, body) = (key.clone(), upload.clone(), Body::Stored(stored));
        let put = bucket.put_part(key, id, number, etag.clone(), None, body);
        put.await.unwrap();
        named.push(NamedPart {
            number,
            etag,
            checksum: None,
        });
    }
    let completion = Completion {
        parts: named,
        attributes: Attributes {
            etag: format!("9e107d9d372bb6826bd81d3542a419d6-{parts}"),
            ..Attributes::default()
        },
    };
    (upload, completion)
}

pub async fn complete(bucket: &Bucket, key: &Key, parts: u16, spans: u64, sums: usize) -> Object {
    let (upload, completion) = upload(bucket, key, parts, spans, sums).await;
    let completed = bucket.complete_upload(key.clone(), upload, completion, Condition::default());
    completed.await.unwrap().object
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_sums_no_group_holds_can_be_deleted() {
    let device = Arc::default();
    let bucket = bucket(&device).await;
    let key = Key::new("half a tebibyte").unwrap();
    let object = complete(&bucket, &key, 80, 100, WHOLE_SUMS).await;
    assert_eq!(object.size, 8_000 * MAX_SPAN);
    let before = *device.trimmed.lock();
    assert_eq!(
        bucket.delete(key.clone(), Condition::default()).await,
        Ok(true)
    );
    assert!(bucket.find(&key).await.unwrap().is_none());

    bucket.checkpoint().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    // Blocks of the log come back, too.
    assert!(*device.trimmed.lock() - before >= object.size);
    let left = (
        rows(&bucket, Table::Spans).await,
        rows(&bucket, Table::Freed).await,
    );
    assert_eq!(left, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_largest_object_of_s3_can_be_completed_replaced_and_deleted() {
    let bucket = bucket(&Arc::default()).await;
    let key = Key::new("five tebibytes").unwrap();
    // Neither change writes sums, so the spans have none: that would only take memory.
    for _ in 0..2 {
        let object = complete(&bucket, &key, 10_000, 9, 0).await;
        assert!(object.size > 5 << 40);
    }
    assert_eq!(bucket.delete(key, Condition::default()).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_completion_answers_as_the_first_did() {
    let device = Arc::default();
    let first = bucket(&device).await;
    let key = Key::new("k").unwrap();
    let (id, completion) = upload(&first, &key, 2, 1, 0).await;
    let complete = async |bucket: &Bucket, completion: &Completion| {
        let (key, id, completion) = (key.clone(), id.clone(), completion.clone());
        let completed = bucket.complete_upload(key, id, completion, Condition::absent());
        completed.await.map(|stored| stored.object)
    };
    // The second one may be planned in one batch with the first.
    let (made, repeated) =
        tokio::join!(complete(&first, &completion), complete(&first, &completion));
    let made = made.unwrap();
    assert_eq!(repeated, Ok(made.clone()));
    first.close().await;
    let second = bucket(&device).await;
    assert_eq!(complete(&second, &completion).await, Ok(made));

    let mut other = completion.clone();
    other.attributes.etag = "of other parts".into();
    let unknown = Err(ChangeError::NoSuchUpload);
    assert_eq!(complete(&second, &other).await, unknown);
    let body = Body::Small(Bytes::from_static(b"new"));
    let put = second.put(
        key.clone(),
        completion.attributes.clone(),
        body,
        Condition::default(),
    );
    put.await.unwrap();
    assert_eq!(complete(&second, &completion).await, unknown);
}
