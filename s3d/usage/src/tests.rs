use std::collections::BTreeMap;
use std::sync::Arc;

use s3d_bucket::{BucketId, Timestamp};
use s3d_names::NamespaceName;
use s3d_records::{Records, absent, present, put};
use volumed_meta::SqliteStore;

use super::*;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A midnight.
const START: u64 = 20_000 * DAY;

struct Rig {
    usage: Usage,
    _folder: tempfile::TempDir,
}

fn bucket(number: u128) -> Series {
    Series::bucket(BucketId(number))
}

fn home() -> Series {
    Series::namespace(&NamespaceName::new("home").unwrap())
}

fn sample(bytes: u64) -> Sample {
    Sample { bytes, objects: 1 }
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
        Self {
            usage: Usage::new(Records::new(Arc::new(store))),
            _folder: folder,
        }
    }

    async fn note(&self, number: u128, at: u64, bytes: u64) {
        let (of, within) = (bucket(number), home());
        let guard = absent("s3d/nothing");
        let noted = self
            .usage
            .note((&of, &within), Timestamp(at), sample(bytes), guard);
        assert!(noted.await.unwrap());
    }

    async fn forget(&self, number: u128, at: u64) {
        let (of, within) = (bucket(number), home());
        let forgotten = self.usage.forget(&of, &within, Timestamp(at));
        forgotten.await.unwrap();
    }

    /// Hours since the start, and bytes.
    async fn hours(&self, series: &Series, since: u64) -> Vec<(u64, u64)> {
        let history = self.usage.history(series, Timestamp(since)).await;
        let points = history.unwrap().into_iter();
        points
            .map(|point| ((point.time.0 - START) / HOUR, point.sample.bytes))
            .collect()
    }
}

#[tokio::test]
async fn a_value_holds_until_the_next_and_an_hour_keeps_its_last() {
    let rig = Rig::new();
    for (at, bytes) in [(0, 5), (HOUR / 2, 6), (3 * HOUR, 6), (4 * HOUR, 9)] {
        rig.note(1, START + at, bytes).await;
    }
    assert_eq!(rig.hours(&bucket(1), START).await, [(0, 6), (4, 9)]);
    let later = START + 2 * HOUR;
    assert_eq!(rig.hours(&bucket(1), later).await, [(2, 6), (4, 9)]);
    assert_eq!(rig.usage.now(&bucket(1)).await.unwrap().unwrap(), sample(9));
}

#[tokio::test]
async fn a_namespace_is_the_sum_of_its_buckets() {
    let rig = Rig::new();
    rig.note(1, START, 5).await;
    rig.note(2, START + HOUR, 7).await;
    rig.note(1, START + 2 * HOUR, 1).await;
    assert_eq!(rig.hours(&home(), START).await, [(0, 5), (1, 12), (2, 8)]);
    rig.forget(2, START + 3 * HOUR).await;
    let now = rig.usage.now(&home()).await.unwrap().unwrap();
    assert_eq!((now.bytes, now.objects), (1, 1));
    assert_eq!(rig.usage.count(&bucket(2)).await, 0);
    // Again changes nothing.
    rig.forget(2, START + 4 * HOUR).await;
    assert_eq!(rig.usage.now(&home()).await.unwrap().unwrap(), now);
}

#[tokio::test]
async fn what_its_guard_refuses_is_not_noted() {
    let rig = Rig::new();
    let (of, within) = (bucket(1), home());
    let guard = present("s3d/nothing");
    let noted = rig
        .usage
        .note((&of, &within), Timestamp(START), sample(1), guard);
    assert!(!noted.await.unwrap());
    assert_eq!(rig.usage.now(&of).await.unwrap(), None);
}

#[tokio::test]
async fn years_of_changes_keep_a_bound() {
    let rig = Rig::new();
    for day in 0..800 {
        rig.note(1, START + day * DAY, day + 1).await;
    }
    assert_eq!(rig.usage.count(&bucket(1)).await, 2);
    let two_years = START + 69 * DAY;
    let hours = rig.hours(&bucket(1), two_years).await;
    assert_eq!(hours.first(), Some(&(69 * 24, 76)));
    assert_eq!(hours.last(), Some(&(799 * 24, 800)));
    // One for each of the last 90 days, and for each week before; the first is what its week ended with.
    assert!((180..190).contains(&hours.len()), "{}", hours.len());
}

#[tokio::test]
async fn a_history_of_the_first_form_is_read_and_replaced() {
    let rig = Rig::new();
    let series = bucket(1);
    let old = |name: &str, samples: &[(u64, u64)]| {
        let samples = samples
            .iter()
            .map(|(slot, bytes)| (*slot as u8, sample(*bytes)));
        let samples: BTreeMap<u8, Sample> = samples.collect();
        put(format!("{}{name}", series.prefix()), &samples)
    };
    // Day 20,000 is the first of the 625th 32 days.
    let changes = vec![
        put(series.now(), &sample(9)),
        old("days/00000625", &[(0, 3), (2, 4), (9, 9)]),
        old("hours/00020009", &[(1, 7), (5, 9)]),
    ];
    assert!(rig.usage.records.commit(vec![], changes).await.unwrap());
    let known = [(0, 3), (2 * 24, 4), (9 * 24 + 1, 7), (9 * 24 + 5, 9)];
    assert_eq!(rig.hours(&series, START).await, known);

    let now = START + 10 * DAY;
    rig.note(1, now, 2).await;
    assert_eq!(rig.usage.count(&series).await, 2);
    let known = [&known[..], &[(240, 2)]].concat();
    assert_eq!(rig.hours(&series, START).await, known);
    assert_eq!(rig.usage.now(&series).await.unwrap(), Some(sample(2)));
}
