//! Prefixes that are renamed.

use std::time::Duration;

use super::*;
use crate::commit::change::PrefixRename;
use crate::errors::ChangeError;
use crate::format::redirect::Redirect;
use crate::index::feed::EventKind;
use crate::requests::{CopyAttributes, CopySource, ListEntry, ListRequest};

/// What a bucket must hold: the size of each object.
type Model = BTreeMap<String, u64>;

fn options(slice: usize) -> Options {
    Options {
        slice,
        ..Options::new(1)
    }
}

async fn rename(bucket: &Bucket, from: &str, to: &str) -> Result<u64, ChangeError> {
    bucket.rename_prefix(from.into(), to.into(), false).await
}

fn rename_in(model: &mut Model, from: &str, to: &str) {
    let renamed = std::mem::take(model).into_iter().map(|(key, size)| {
        let rest = key.strip_prefix(from);
        let new = rest.map(|rest| format!("{to}{rest}"));
        (new.unwrap_or(key), size)
    });
    *model = renamed.collect();
}

/// A page as S3 defines it.
fn expected(model: &Model, request: &ListRequest) -> Vec<String> {
    let mut page: Vec<String> = Vec::new();
    for key in model.keys().filter(|key| key.starts_with(&request.prefix)) {
        let rest = &key[request.prefix.len()..];
        let delimiter = request.delimiter.as_deref();
        let cut =
            delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
        let line = cut.map_or(key.clone(), |cut| {
            key[..request.prefix.len() + cut].to_owned()
        });
        // A common prefix stands for all its keys.
        let after = request.after.as_ref();
        let shown = after.is_some_and(|after| key <= after || line == *after);
        if !shown && page.last() != Some(&line) {
            page.push(line);
        }
    }
    page.truncate(request.limit);
    page
}

async fn check_page(bucket: &Bucket, model: &Model, request: ListRequest) {
    let page = bucket.list(request.clone()).await.unwrap();
    let listed: Vec<_> = page
        .entries
        .iter()
        .map(|entry| match entry {
            ListEntry::Object(key, object) => {
                assert_eq!(model.get(key.as_str()), Some(&object.size));
                key.as_str().to_owned()
            }
            ListEntry::Prefix(prefix) => prefix.clone(),
        })
        .collect();
    assert_eq!(listed, expected(model, &request), "{request:?}");
}

/// Everything that can be looked up is as the model has it.
async fn check(bucket: &Bucket, model: &Model) {
    for name in [
        "a/1", "a/5", "a/b/2", "b/1", "c/1", "c/4", "c/5", "c/9", "c/b/2", "d",
    ] {
        let found = bucket.find(&key(name)).await.unwrap();
        assert_eq!(found.map(|it| it.size), model.get(name).copied(), "{name}");
        if let Some(size) = model.get(name) {
            assert_eq!(read(bucket, name).await, pattern(*size as usize));
        }
    }
    for prefix in ["", "a", "a/", "a/b/", "b/", "c/", "c/5", "c/b", "d"] {
        for delimiter in [None, Some("/")] {
            for after in [
                None,
                Some("a/"),
                Some("a/5"),
                Some("b/1"),
                Some("c/"),
                Some("c/4"),
            ] {
                for limit in [1, 3, 1000] {
                    let request = ListRequest {
                        prefix: prefix.into(),
                        delimiter: delimiter.map(str::to_owned),
                        after: after.map(str::to_owned),
                        limit,
                    };
                    check_page(bucket, model, request).await;
                }
            }
        }
    }
    assert_eq!(bucket.totals().objects, model.len() as u64);
    assert_eq!(bucket.check(true).await.unwrap().problems, []);
}

async fn put_in(bucket: &Bucket, model: &mut Model, name: &str, size: usize) {
    put(bucket, name, size).await;
    model.insert(name.into(), size as u64);
}

async fn some_objects(bucket: &Bucket) -> Model {
    let mut model = Model::new();
    for (at, name) in ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "a/b/1", "a/b/2"]
        .into_iter()
        .enumerate()
    {
        put_in(bucket, &mut model, name, 100 + at).await;
    }
    put_in(bucket, &mut model, "b/1", 200_000).await;
    put_in(bucket, &mut model, "d", 9).await;
    model
}

/// Every kind of change, under both prefixes of a rename from `a/` to `c/`.
async fn change_some(bucket: &Bucket, model: &mut Model) {
    put_in(bucket, model, "a/1", 31).await;
    put_in(bucket, model, "a/5", 32).await;
    put_in(bucket, model, "a/b/2", 33).await;
    put_in(bucket, model, "c/1", 34).await;
    put_in(bucket, model, "c/5", 35).await;
    put_in(bucket, model, "c/9", 36).await;
    for name in ["c/4", "a/b/2"] {
        let gone = bucket.delete(key(name), Condition::present()).await;
        assert_eq!(gone, Ok(true), "{name}");
        model.remove(name);
    }
    for (from, to) in [("c/b/2", "a/6"), ("a/5", "c/b/3")] {
        let source = CopySource {
            key: key(from),
            condition: Condition::default(),
        };
        let copied = bucket.copy(
            source,
            key(to),
            CopyAttributes::default(),
            Condition::absent(),
        );
        copied.await.unwrap();
        model.insert(to.into(), model[from]);
    }
}

#[tokio::test(start_paused = true)]
async fn readers_see_a_rename_whole_while_rows_move_and_after_a_restart() {
    for moved in 0..8 {
        let device: Arc<Sparse> = Arc::default();
        let bucket = open_with(&device, options(1)).await;
        let mut model = some_objects(&bucket).await;
        if moved % 2 == 1 {
            bucket.checkpoint().await.unwrap();
        }
        rename(&bucket, "a/", "c/").await.unwrap();
        rename_in(&mut model, "a/", "c/");
        assert!(bucket.shared.index.is_redirected());
        check(&bucket, &model).await;
        for _ in 0..moved {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        change_some(&bucket, &mut model).await;
        check(&bucket, &model).await;
        if moved % 3 == 1 {
            bucket.checkpoint().await.unwrap();
        }
        // The power fails: what is left is replayed, and the rows go on moving.
        let device = Arc::new(device.snapshot());
        drop(bucket);
        let bucket = open_with(&device, options(2)).await;
        assert!(moved > 2 || bucket.shared.index.is_redirected());
        check(&bucket, &model).await;
        put_in(&bucket, &mut model, "a/b/2", 41).await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(!bucket.shared.index.is_redirected());
        assert_eq!(rows(&bucket, Table::Arrivals).await, 0);
        check(&bucket, &model).await;
        rename(&bucket, "c/", "a/x/").await.unwrap();
        rename_in(&mut model, "c/", "a/x/");
        check(&bucket, &model).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_renamed_is_refused_and_nothing_changes() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = open_with(&device, options(3)).await;
    let mut model = some_objects(&bucket).await;
    for (from, to) in [
        ("a/", "a/x/"),
        ("a/b/", "a/"),
        ("a/", "a/"),
        ("", "x/"),
        ("a/", ""),
    ] {
        assert_eq!(
            rename(&bucket, from, to).await,
            Err(ChangeError::PrefixesOverlap)
        );
    }
    assert_eq!(
        rename(&bucket, "x/", "y/").await,
        Err(ChangeError::NothingToRename)
    );
    assert_eq!(
        rename(&bucket, "a/", "b/").await,
        Err(ChangeError::PrefixNotEmpty)
    );
    assert_eq!(
        rename(&bucket, "a/", "d").await,
        Err(ChangeError::PrefixNotEmpty)
    );
    check(&bucket, &model).await;

    put_in(&bucket, &mut model, "c/", 0).await;
    assert_eq!(
        rename(&bucket, "a/", "c/").await,
        Err(ChangeError::PrefixNotEmpty)
    );
    let replacing = |from: &str, to: &str| bucket.rename_prefix(from.into(), to.into(), true);
    assert_eq!(
        replacing("a/", "b/").await,
        Err(ChangeError::PrefixNotEmpty)
    );
    check(&bucket, &model).await;
    replacing("a/", "c/").await.unwrap();
    model.remove("c/");
    rename_in(&mut model, "a/", "c/");
    check(&bucket, &model).await;
}

#[tokio::test(start_paused = true)]
async fn keys_may_not_become_too_long_however_many_they_are() {
    for slice in [2, 100] {
        let device: Arc<Sparse> = Arc::default();
        let bucket = open_with(&device, options(slice)).await;
        let mut model = some_objects(&bucket).await;
        let long = format!("a/{}", "x".repeat(1015));
        put_in(&bucket, &mut model, &long, 1).await;
        let refused = rename(&bucket, "a/", "abcdefghi/").await;
        assert_eq!(refused, Err(ChangeError::KeyTooLong));
        check(&bucket, &model).await;
        rename(&bucket, "a/", "cdefghi/").await.unwrap();
        rename_in(&mut model, "a/", "cdefghi/");
        check(&bucket, &model).await;
    }
}

/// Lengths are looked at before a rename of many keys is planned, and what comes between is not missed.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_put_behind_the_look_at_lengths_counts() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = open_with(&device, options(2)).await;
    some_objects(&bucket).await;
    let ask = |checked| {
        bucket.submit(Change::RenamePrefix(PrefixRename {
            from: "a/".into(),
            to: "abcdefghi/".into(),
            replace_marker: false,
            checked,
        }))
    };
    assert!(matches!(ask(None).await, Ok(Done::Unchecked)));
    let looked = *bucket.watch_changes().borrow();
    let long = format!("a/{}", "x".repeat(1015));
    put(&bucket, &long, 1).await;
    for folded in [false, true] {
        if folded {
            bucket.checkpoint().await.unwrap();
        }
        let refused = ask(Some(looked)).await;
        assert!(
            matches!(refused, Err(ChangeError::KeyTooLong)),
            "{refused:?}"
        );
    }
    let gone = bucket.delete(key(&long), Condition::default()).await;
    assert_eq!(gone, Ok(true));
    let looked = *bucket.watch_changes().borrow();
    // Another rename moves keys in without an event for each: lengths have to be looked at again.
    rename(&bucket, "b/", "a/b2/").await.unwrap();
    assert!(matches!(ask(Some(looked)).await, Ok(Done::Unchecked)));
    let looked = *bucket.watch_changes().borrow();
    assert!(matches!(ask(Some(looked)).await, Ok(Done::Renamed { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_feed_has_one_event_and_then_the_new_keys() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = open_with(&device, options(2)).await;
    some_objects(&bucket).await;
    let before = *bucket.watch_changes().borrow();
    let sequence = rename(&bucket, "a/", "c/").await.unwrap();
    put(&bucket, "c/6", 10).await;
    put(&bucket, "a/6", 10).await;
    let gone = bucket.delete(key("c/b/1"), Condition::default()).await;
    assert_eq!(gone, Ok(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let events = |prefix| bucket.changes(before, prefix, 100);
    let page = events("").await.unwrap();
    assert_eq!(page.events[0].sequence, sequence);
    let named: Vec<_> = page
        .events
        .iter()
        .map(|event| {
            (
                event.key.as_str(),
                matches!(event.kind, EventKind::Put { .. }),
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            ("a/", false),
            ("c/6", true),
            ("a/6", true),
            ("c/b/1", false)
        ]
    );
    let to = EventKind::PrefixRenamed { to: "c/".into() };
    assert_eq!(page.events[0].kind, to);
    for (prefix, of_interest) in [("a/b/", 1), ("c/b/", 2), ("c", 3), ("b/", 0)] {
        assert_eq!(
            events(prefix).await.unwrap().events.len(),
            of_interest,
            "{prefix}"
        );
    }
    bucket.checkpoint().await.unwrap();
    assert_eq!(events("").await.unwrap().events, page.events);
    assert_eq!(events("c/b/").await.unwrap().events.len(), 2);
}

/// Its index is built anew while rows move, with the redirect and without.
#[tokio::test(start_paused = true)]
async fn a_bucket_is_checked_and_rebuilt_in_the_middle_of_a_rename() {
    for lost in [false, true] {
        let device: Arc<Sparse> = Arc::default();
        let bucket = open_with(&device, options(1)).await;
        let mut model = some_objects(&bucket).await;
        rename(&bucket, "a/", "c/").await.unwrap();
        rename_in(&mut model, "a/", "c/");
        put_in(&bucket, &mut model, "a/x", 44).await;
        // Then the log that is kept does not speak of the rename any more.
        for name in ["e", "f"] {
            bucket.checkpoint().await.unwrap();
            put_in(&bucket, &mut model, name, 45).await;
        }
        let redirect = |reader: &Reader| Ok(reader.tables().redirect.clone());
        let redirect = bucket.shared.index.read(redirect).await.unwrap();
        let next = redirect.unwrap().next.clone();
        if lost {
            let (index, record) = (&bucket.shared.index, vec![Redirect::row(None)]);
            index.apply(1 << 40, Timestamp(0), &[record]);
            let problems = bucket.check(false).await.unwrap().problems;
            assert!(
                problems.iter().any(|it| it.what.contains("no key leads")),
                "{problems:?}"
            );
        }
        bucket.close().await;
        let devices = Devices {
            data: device.clone(),
            index: device.clone(),
        };
        crate::check::rebuild(devices, BucketId(1), 2, Offload::Inline)
            .await
            .unwrap();
        let bucket = open_with(&device, options(2)).await;
        if lost {
            // Where the rows lie: what did not move yet is under its old keys.
            let still = model.split_off(&format!("c/{next}"));
            model.extend(
                still
                    .into_iter()
                    .map(|(key, size)| (key.replace("c/", "a/"), size)),
            );
        }
        assert_eq!(bucket.shared.index.is_redirected(), !lost);
        check(&bucket, &model).await;
    }
}

/// Threads that list see all keys under one prefix or all under the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_listing_shows_a_mix() {
    const KEYS: usize = 600;
    let device: Arc<Sparse> = Arc::default();
    let devices = Devices {
        data: device.clone(),
        index: device.clone(),
    };
    let bucket = Bucket::create(devices, BucketId(1), options(100))
        .await
        .unwrap();
    let bucket = Arc::new(bucket);
    for number in 0..KEYS {
        let (attributes, body) = (Attributes::default(), Body::Small(Bytes::new()));
        let name = key(&format!("a/{number:04}"));
        bucket
            .put(name, attributes, body, Condition::default())
            .await
            .unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (bucket, done) = (bucket.clone(), done.clone());
            tokio::spawn(async move {
                let mut listings = 0;
                while !done.load(Ordering::Relaxed) {
                    assert_unmixed(&bucket, KEYS).await;
                    listings += 1;
                }
                listings
            })
        })
        .collect();
    let mut renames = 0;
    while renames < 20 {
        let (from, to) = if renames % 2 == 0 {
            ("a/", "c/")
        } else {
            ("c/", "a/")
        };
        match rename(&bucket, from, to).await {
            Ok(_) => renames += 1,
            Err(ChangeError::RenameRunning) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error}"),
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}

async fn assert_unmixed(bucket: &Bucket, keys: usize) {
    let request = ListRequest {
        limit: 10 * keys,
        ..ListRequest::default()
    };
    let page = bucket.list(request).await.unwrap();
    assert_eq!(page.entries.len(), keys);
    let prefixes: std::collections::BTreeSet<_> = page
        .entries
        .iter()
        .map(|entry| match entry {
            ListEntry::Object(key, _) => key.as_str()[..2].to_owned(),
            ListEntry::Prefix(prefix) => panic!("{prefix} without a delimiter"),
        })
        .collect();
    assert_eq!(prefixes.len(), 1, "{prefixes:?}");
}
