//! Reads of a device that gives bytes unchecked, and transfers that are short of memory.

use std::ops::Range;

use super::*;
use crate::blob::writer::BodyWriter;

const LENGTH: usize = 3_000_000;

async fn finish(bucket: &Bucket, name: &str, writer: BodyWriter) {
    let body = writer.finish().await.unwrap();
    let (attributes, condition) = (Attributes::default(), Condition::default());
    let put = bucket.put(key(name), attributes, body, condition);
    put.await.unwrap();
}

async fn read(bucket: &Bucket, name: &str, range: Range<u64>) -> Vec<u8> {
    let found = bucket.find(&key(name)).await.unwrap().unwrap();
    let mut reader = bucket.read(&found, range);
    let mut read = Vec::new();
    while let Some(chunk) = reader.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    read
}

#[tokio::test(start_paused = true)]
async fn unchecked_bytes_are_given_only_if_they_match() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    put(&bucket, "k", LENGTH).await;
    let bytes = pattern(LENGTH);
    let ways: [(bool, Option<Spoil>); 6] = [
        (false, None),
        (true, Some(|bytes| bytes)),
        (false, Some(|bytes| vec![0; bytes.len()].into())),
        (false, Some(|bytes| bytes.slice(..bytes.len() / 2))),
        (false, Some(|_| Bytes::new())),
        (
            false,
            Some(|bytes| {
                let mut bytes = bytes.to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                bytes.into()
            }),
        ),
    ];
    let ways = ways.into_iter().enumerate();
    for ((way, (used, spoil)), uncached) in ways.flat_map(|way| [(way, false), (way, true)]) {
        *device.unchecked.lock() = spoil;
        device.uncached.store(uncached, Ordering::Relaxed);
        for range in [0..LENGTH, 70_000..70_001, 1_000_000..2_200_000] {
            *device.reads.lock() = 0;
            let read = read(&bucket, "k", range.start as u64..range.end as u64).await;
            assert!(read == bytes[range], "way {way}");
            assert_eq!(*device.reads.lock() == 0, used, "way {way}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_transfer_that_has_the_memory_stops_no_other() {
    let device: Arc<Sparse> = Arc::default();
    let options = Options {
        transfers: TransferMemory::new(1 << 20),
        ..Options::new(1)
    };
    let bucket = open_with(&device, options).await;
    let bytes = pattern(LENGTH);
    let mut slow = bucket.writer(None);
    slow.write(bytes.slice(..100_000)).await.unwrap();
    let mut quick = bucket.writer(None);
    for piece in bytes.chunks(70_001) {
        quick.write(bytes.slice_ref(piece)).await.unwrap();
    }
    finish(&bucket, "quick", quick).await;
    slow.write(bytes.slice(100_000..)).await.unwrap();
    finish(&bucket, "slow", slow).await;

    let found = bucket.find(&key("slow")).await.unwrap().unwrap();
    let mut stuck = bucket.read(&found, 0..LENGTH as u64);
    let chunk = stuck.next().await.unwrap().unwrap();
    for name in ["slow", "quick"] {
        assert!(read(&bucket, name, 0..LENGTH as u64).await == bytes);
    }
    assert!(bytes.starts_with(&chunk));
}

#[tokio::test(start_paused = true)]
async fn pages_of_the_index_are_taken_unchecked_only_if_they_match() {
    const OBJECTS: usize = 2_000;
    let name = |number: usize| format!("{:08x}", number.wrapping_mul(2_654_435_761) as u32);
    let ways: [(bool, Option<Spoil>); 4] = [
        (false, None),
        (true, Some(|bytes| bytes)),
        (false, Some(|bytes| vec![0; bytes.len()].into())),
        (
            false,
            Some(|bytes| {
                let mut bytes = bytes.to_vec();
                bytes[4000] ^= 1;
                bytes.into()
            }),
        ),
    ];
    for (way, (used, spoil)) in ways.into_iter().enumerate() {
        let device: Arc<Sparse> = Arc::default();
        *device.unchecked.lock() = spoil;
        let options = Options {
            // Less than the index needs.
            index_cache: 64 << 10,
            ..Options::new(1)
        };
        let bucket = open_with(&device, options).await;
        for number in 0..OBJECTS {
            put(&bucket, &name(number), number % 7).await;
            if number % 500 == 0 {
                bucket.checkpoint().await.unwrap();
            }
        }
        bucket.checkpoint().await.unwrap();
        *device.reads.lock() = 0;
        for number in 0..OBJECTS {
            let found = bucket.find(&key(&name(number))).await.unwrap().unwrap();
            assert_eq!(found.size, number as u64 % 7, "way {way}");
        }
        let checked = *device.reads.lock();
        assert!((checked < 10) == used, "way {way}: {checked} reads");
    }
}
