//! Multipart uploads, up to objects as large as S3 knows them: their spans are named without their
//! bytes having been written, on a device that holds nothing but what was.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::BytesMut;
use parking_lot::Mutex;
use volumed_client::{DeviceError, Durability};

use super::*;
use crate::CHECKED_RUN;
use crate::format::layout::{BLOCK, MAX_SPAN};
use crate::requests::{NamedPart, StoredSpan};

const WHOLE_SUMS: usize = (MAX_SPAN / CHECKED_RUN) as usize;

#[derive(Default)]
struct Sparse {
    blocks: Mutex<BTreeMap<u64, Box<[u8]>>>,
    trimmed: Mutex<u64>,
}

#[async_trait]
impl BlockDevice for Sparse {
    fn size(&self) -> u64 {
        1 << 60
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes, DeviceError> {
        let first = offset / BLOCK;
        let end = (offset + length as u64).div_ceil(BLOCK);
        let mut bytes = BytesMut::zeroed(((end - first) * BLOCK) as usize);
        for (block, held) in self.blocks.lock().range(first..end) {
            let at = ((block - first) * BLOCK) as usize;
            bytes[at..at + held.len()].copy_from_slice(held);
        }
        let within = (offset % BLOCK) as usize;
        Ok(bytes.freeze().slice(within..within + length))
    }

    async fn write(&self, offset: u64, pieces: &[Bytes], _: Durability) -> Result<(), DeviceError> {
        let bytes = pieces.concat();
        let mut blocks = self.blocks.lock();
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let within = (at % BLOCK) as usize;
            let length = (bytes.len() - done).min(BLOCK as usize - within);
            let block = blocks
                .entry(at / BLOCK)
                .or_insert_with(|| vec![0; BLOCK as usize].into());
            block[within..within + length].copy_from_slice(&bytes[done..done + length]);
            done += length;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    async fn trim(&self, offset: u64, length: u64) -> Result<(), DeviceError> {
        *self.trimmed.lock() += length;
        let blocks = offset.div_ceil(BLOCK)..(offset + length) / BLOCK;
        let mut held = self.blocks.lock();
        let gone: Vec<u64> = held.range(blocks).map(|it| *it.0).collect();
        for block in gone {
            held.remove(&block);
        }
        Ok(())
    }
}

async fn bucket(device: &Arc<Sparse>) -> Bucket {
    let devices = Devices {
        data: device.clone(),
        index: device.clone(),
    };
    let options = Options {
        offload: Offload::Inline,
        ..Options::new(1)
    };
    Bucket::create(devices, BucketId(1), options).await.unwrap()
}

/// An upload of `parts` parts of as many spans as `spans` says, each with so many sums.
async fn upload(
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

async fn complete(bucket: &Bucket, key: &Key, parts: u16, spans: u64, sums: usize) -> Object {
    let (upload, completion) = upload(bucket, key, parts, spans, sums).await;
    let completed = bucket.complete_upload(key.clone(), upload, completion, Condition::None);
    completed.await.unwrap().object
}

async fn rows(bucket: &Bucket, table: Table) -> usize {
    let count = move |reader: &Reader| {
        let mut cursor = reader.cursor(table).unwrap();
        let mut count = 0;
        while cursor.next().unwrap().is_some() {
            count += 1;
        }
        count
    };
    bucket.shared.index.read(count).await
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_sums_no_group_holds_can_be_deleted() {
    let device = Arc::default();
    let bucket = bucket(&device).await;
    let key = Key::new("half a tebibyte").unwrap();
    let object = complete(&bucket, &key, 80, 100, WHOLE_SUMS).await;
    assert_eq!(object.size, 8_000 * MAX_SPAN);
    let before = *device.trimmed.lock();
    assert_eq!(bucket.delete(key.clone(), Condition::None).await, Ok(true));
    assert!(bucket.find(&key).await.unwrap().is_none());

    bucket.checkpoint().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    assert_eq!(*device.trimmed.lock() - before, object.size);
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
    assert_eq!(bucket.delete(key, Condition::None).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_completion_answers_as_the_first_did() {
    let device = Arc::default();
    let first = bucket(&device).await;
    let key = Key::new("k").unwrap();
    let (id, completion) = upload(&first, &key, 2, 1, 0).await;
    let complete = async |bucket: &Bucket, completion: &Completion| {
        let (key, id, completion) = (key.clone(), id.clone(), completion.clone());
        let completed = bucket.complete_upload(key, id, completion, Condition::Absent);
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
        Condition::None,
    );
    put.await.unwrap();
    assert_eq!(complete(&second, &completion).await, unknown);
}
