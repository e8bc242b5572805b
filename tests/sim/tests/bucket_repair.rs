//! A bucket whose volume is damaged: the check names it, and the index is built anew as far as what is
//! left reaches.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use bytes::Bytes;
use hayrack_sim::bucket::read;
use hayrack_sim::device::{Image, SimDevice, Weather};
use s3d_bucket::{
    Addition, Attributes, Body, Bucket, BucketId, Condition, CopyAttributes, CopySource, Devices,
    Key, Offload, Options, RequestToken, check, damage, rebuild,
};

const ID: BucketId = BucketId(1);
const BLOCK: u64 = 4096;
const INDEX_ZONE: u64 = 1 << 20;
const DATA_ZONE: u64 = 1 << 50;
/// Objects of one checkpoint.
const THIRD: usize = 500;

fn devices(image: Image) -> Devices {
    let device = SimDevice::new(image, 1, Weather::default());
    Devices {
        data: device.connect(),
        index: device.connect(),
    }
}

async fn open(devices: Devices, epoch: u64) -> Bucket {
    let options = Options {
        offload: Offload::Inline,
        index_cache: 1 << 20,
        ..Options::new(epoch)
    };
    Bucket::create(devices, ID, options).await.unwrap()
}

fn object(number: usize) -> (Key, Bytes) {
    let key = Key::new(format!("key/{number:06}")).unwrap();
    (key, vec![number as u8; 100 + number % 900].into())
}

async fn put(bucket: &Bucket, number: usize) {
    let (key, bytes) = object(number);
    let stored = bucket.put(
        key,
        Attributes::default(),
        Body::Small(bytes),
        Condition::default(),
    );
    stored.await.unwrap();
}

/// A bucket whose objects are folded in three checkpoints, as it lies on its device.
async fn whole() -> Image {
    let device = SimDevice::new(Image::default(), 1, Weather::default());
    let devices = Devices {
        data: device.connect(),
        index: device.connect(),
    };
    let bucket = open(devices, 1).await;
    for third in 0..3 {
        for number in third * THIRD..(third + 1) * THIRD {
            put(&bucket, number).await;
        }
        bucket.checkpoint().await.unwrap();
        // The sweep gives the log back.
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    bucket.close().await;
    drop(bucket);
    device.cut_power()
}

async fn append(bucket: &Bucket, number: usize) {
    let (key, bytes) = object(number);
    let found = bucket.find(&key).await.unwrap().unwrap();
    let addition = Addition {
        offset: found.size,
        onto: found.sequence,
        etag: String::new(),
        checksum: None,
    };
    let body = Body::Small(bytes);
    let appended = bucket.append(key, addition, body, Condition::default());
    appended.await.unwrap();
}

/// What an object holds that was appended to so many times.
async fn assert_appended(bucket: &Bucket, key: &Key, of: usize, times: usize) {
    let found = bucket.find(key).await.unwrap().unwrap();
    let (_, bytes) = object(of);
    let expected = bytes.repeat(times + 1);
    assert!(read(bucket, &found).await.unwrap() == expected, "{key:?}");
}

/// The numbers of the blocks in a range that are not zero.
fn written(image: &Image, range: std::ops::Range<u64>) -> Vec<u64> {
    image
        .written(range.start / BLOCK..range.end / BLOCK)
        .collect()
}

async fn problems(image: &Image, deep: bool) -> Vec<String> {
    let report = check(devices(image.clone()), ID, Offload::Inline, deep).await;
    let report = report.unwrap();
    report
        .problems
        .into_iter()
        .map(|problem| problem.what)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_whole_bucket_is_sound_and_a_check_changes_nothing() {
    let image = whole().await;
    let device = SimDevice::new(image.clone(), 1, Weather::default());
    let devices = Devices {
        data: device.connect(),
        index: device.connect(),
    };
    let report = check(devices, ID, Offload::Inline, true).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.objects, 3 * THIRD as u64);
    assert_eq!(report.bytes_read, report.span_bytes);
    assert!(device.cut_power() == image);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_body_is_named_by_its_key() {
    let mut image = whole().await;
    let block = written(&image, DATA_ZONE..u64::MAX)[3];
    image.damage(block);
    assert_eq!(problems(&image, false).await, [""; 0]);
    let found = problems(&image, true).await;
    assert!(!found.is_empty());
    assert!(found.iter().all(|what| what.contains("damaged")));
}

async fn lying_in(image: &Image, blocks: &[u64]) -> Vec<(Option<String>, String)> {
    let ranges = blocks
        .iter()
        .map(|block| block * BLOCK..(block + 1) * BLOCK);
    let found = damage(
        devices(image.clone()),
        ID,
        Offload::Inline,
        ranges.collect(),
    )
    .await;
    let named = found.unwrap().into_iter();
    named.map(|problem| (problem.key, problem.what)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_lies_in_a_damaged_block_is_named_without_reading_it() {
    let mut image = whole().await;
    let blocks = written(&image, DATA_ZONE..u64::MAX);
    // What a deep check finds by reading is what the addresses say.
    for &block in &blocks[3..6] {
        let mut damaged = image.clone();
        damaged.damage(block);
        let report = check(devices(damaged), ID, Offload::Inline, true)
            .await
            .unwrap();
        let mut by_reading: Vec<_> = report
            .problems
            .into_iter()
            .filter_map(|it| it.key)
            .collect();
        by_reading.sort();
        let named = lying_in(&image, &[block]).await;
        let by_address: Vec<_> = named.into_iter().filter_map(|(key, _)| key).collect();
        assert!(!by_reading.is_empty());
        assert!(
            by_reading.iter().all(|key| by_address.contains(key)),
            "{by_reading:?} {by_address:?}"
        );
        assert!(by_address.len() < 100, "{by_address:?}");
    }
    let zones = [0, INDEX_ZONE / BLOCK, blocks.last().unwrap() + 1000];
    let [(None, superblock), (None, index), (None, unused)] = &lying_in(&image, &zones).await[..]
    else {
        panic!("each is no object's");
    };
    assert!(
        superblock.starts_with("the superblock is damaged from 0 to 4096"),
        "{superblock}"
    );
    assert!(index.starts_with("the index is damaged"), "{index}");
    assert!(unused.contains("no object has bytes there"), "{unused}");
    // With an index that cannot be read, what is known without it is said all the same.
    for block in written(&image, INDEX_ZONE..DATA_ZONE) {
        image.damage(block);
    }
    let found = lying_in(&image, &[0, blocks[3]]).await;
    assert!(
        found.len() == 2 && found[1].1.starts_with("keys cannot be named"),
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_goes_away_is_no_problem_of_its_bucket() {
    let image = whole().await;
    for power in 0.. {
        let weather = Weather {
            power: Some(power),
            ..Weather::default()
        };
        let device = SimDevice::new(image.clone(), 1, weather);
        let devices = Devices {
            data: device.connect(),
            index: device.connect(),
        };
        if let Ok(report) = check(devices, ID, Offload::Inline, false).await {
            assert_eq!(report.problems, [], "after {power} calls");
            assert_eq!(report.objects, 3 * THIRD as u64, "after {power} calls");
            break;
        }
    }
}

/// Builds the index anew, and says which objects are there, each of them whole.
async fn rebuilt(image: Image) -> Vec<usize> {
    let device = SimDevice::new(image, 1, Weather::default());
    let devices = || Devices {
        data: device.connect(),
        index: device.connect(),
    };
    rebuild(devices(), ID, 9, Offload::Inline).await.unwrap();
    let bucket = open(devices(), 10).await;
    let report = bucket.check(true).await.unwrap();
    assert_eq!(report.problems, []);
    let mut there = Vec::new();
    for number in 0..3 * THIRD {
        let (key, bytes) = object(number);
        if let Some(found) = bucket.find(&key).await.unwrap() {
            let read = bucket.read(&found, 0..found.size).next().await.unwrap();
            assert_eq!(read.unwrap(), bytes);
            there.push(number);
        }
    }
    assert_eq!(report.objects, there.len() as u64);
    put(&bucket, 0).await;
    there
}

#[tokio::test(start_paused = true)]
async fn an_index_that_cannot_be_opened_is_built_from_the_log() {
    let mut image = whole().await;
    let header = written(&image, INDEX_ZONE..DATA_ZONE)[0];
    image.erase(header);
    let found = problems(&image, false).await;
    assert!(found[0].contains("cannot be opened"), "{found:?}");
    // The log holds what the last checkpoint took.
    let there = rebuilt(image).await;
    assert!((2 * THIRD..3 * THIRD).all(|number| there.contains(&number)));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_page_costs_what_stood_in_it() {
    let image = whole().await;
    let pages = written(&image, INDEX_ZONE..DATA_ZONE);
    // Of the pages that hold rows some hold many; a page that is free costs nothing.
    for page in pages.iter().skip(2).step_by(7) {
        let mut image = image.clone();
        image.erase(*page);
        let found = problems(&image, false).await;
        let there = rebuilt(image).await;
        let lost = there.len() < 3 * THIRD;
        assert!(
            !lost || !found.is_empty(),
            "the check sees nothing at {page}"
        );
        assert!(there.len() >= THIRD, "{} left without {page}", there.len());
        assert!((2 * THIRD..3 * THIRD).all(|number| there.contains(&number)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sound_index_is_built_anew_without_loss() {
    let there = rebuilt(whole().await).await;
    assert_eq!(there.len(), 3 * THIRD);
}

#[tokio::test(start_paused = true)]
async fn what_was_appended_to_copied_and_renamed_is_in_an_index_built_anew() {
    let device = SimDevice::new(Image::default(), 1, Weather::default());
    let devices = || Devices {
        data: device.connect(),
        index: device.connect(),
    };
    let source = |number| CopySource {
        key: object(number).0,
        condition: Condition::default(),
    };
    let token = RequestToken {
        token: [1; 16],
        parameters: [2; 16],
    };
    let bucket = open(devices(), 1).await;
    put(&bucket, 7).await;
    for _ in 0..10 {
        append(&bucket, 7).await;
    }
    let copy = Key::new("copy").unwrap();
    let (same, any) = (CopyAttributes::default(), Condition::default());
    let copied = bucket.copy(source(7), copy.clone(), same, any.clone());
    copied.await.unwrap();
    bucket.checkpoint().await.unwrap();
    for _ in 0..10 {
        append(&bucket, 7).await;
    }
    let renamed = Key::new("renamed").unwrap();
    let rename = bucket.rename(source(7), renamed.clone(), any, Some(token));
    rename.await.unwrap();
    bucket.close().await;
    drop(bucket);
    rebuild(devices(), ID, 2, Offload::Inline).await.unwrap();
    let bucket = open(devices(), 3).await;
    assert!(bucket.find(&object(7).0).await.unwrap().is_none());
    assert_appended(&bucket, &copy, 7, 10).await;
    assert_appended(&bucket, &renamed, 7, 20).await;
    let used = bucket.used_token(&token.token).await.unwrap();
    assert_eq!(used, Some(token.parameters));
    let report = bucket.check(true).await.unwrap();
    assert_eq!(report.problems, []);
}
