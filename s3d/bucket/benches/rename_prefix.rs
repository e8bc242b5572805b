//! What renaming a prefix costs, and how long others wait meanwhile, on a device in memory that answers
//! at once. Run with `cargo bench -p s3d-bucket --bench rename_prefix -- KEYS`.

mod memory;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use s3d_bucket::{
    Attributes, Body, Bucket, BucketId, ChangeError, Condition, Devices, Key, ListRequest, Options,
};

use memory::Memory;

const KEYS: usize = 1_000_000;
const CONNECTIONS: usize = 32;

fn key(prefix: &str, number: usize) -> Key {
    Key::new(format!("{prefix}{:02}/{number:08}", number % 50)).expect("a short key")
}

async fn put(bucket: &Bucket, key: Key) {
    let attributes = Attributes {
        etag: "9e107d9d372bb6826bd81d3542a419d6".into(),
        ..Attributes::default()
    };
    let body = Body::Small(Bytes::from_static(b"hay"));
    let stored = bucket.put(key, attributes, body, Condition::default());
    stored.await.expect("a put");
}

async fn fill(bucket: &Arc<Bucket>, keys: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (bucket, next) = (bucket.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= keys {
                        return;
                    }
                    put(&bucket, key("old/", number)).await;
                }
            })
        })
        .collect();
    for connection in connections {
        connection.await.expect("no panic");
    }
}

/// Asks the same again and again until `done`; answers how often, and the longest wait.
fn ask<F: Future<Output = ()> + Send>(
    what: &'static str,
    done: &Arc<AtomicBool>,
    mut call: impl FnMut(usize) -> F + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let done = done.clone();
    tokio::spawn(async move {
        let (mut count, mut longest) = (0, Duration::ZERO);
        while !done.load(Ordering::Relaxed) {
            let begun = Instant::now();
            call(count).await;
            longest = longest.max(begun.elapsed());
            count += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("{what:24} {count:>9} times, longest wait {longest:?}");
    })
}

fn ask_everything(
    bucket: &Arc<Bucket>,
    done: &Arc<AtomicBool>,
    keys: usize,
) -> Vec<tokio::task::JoinHandle<()>> {
    let shared = || bucket.clone();
    let list = |bucket: Arc<Bucket>, prefix: &'static str, delimiter: Option<&'static str>| {
        move |_| {
            let bucket = bucket.clone();
            async move {
                let request = ListRequest {
                    prefix: prefix.into(),
                    delimiter: delimiter.map(str::to_owned),
                    limit: 1000,
                    ..ListRequest::default()
                };
                bucket.list(request).await.expect("a page");
            }
        }
    };
    let (elsewhere, old, new, found) = (shared(), shared(), shared(), shared());
    let put_under = |bucket: Arc<Bucket>, prefix: &'static str| {
        move |count| {
            let bucket = bucket.clone();
            async move { put(&bucket, key(prefix, count * 7)).await }
        }
    };
    vec![
        ask("put elsewhere", done, put_under(elsewhere, "other/")),
        ask("put under the old prefix", done, put_under(old, "old/")),
        ask("put under the new prefix", done, put_under(new, "new/")),
        ask("find under the new one", done, move |count| {
            let bucket = found.clone();
            async move {
                let found = bucket.find(&key("new/", count * 7919 % keys)).await;
                assert!(found.expect("a find").is_some(), "it was renamed");
            }
        }),
        ask("list folders", done, list(shared(), "", Some("/"))),
        ask("list the new prefix", done, list(shared(), "new/", None)),
    ]
}

#[tokio::main]
async fn main() {
    let keys = std::env::args().find_map(|it| it.parse().ok());
    let keys = keys.unwrap_or(KEYS);
    let memory = Arc::new(Memory::default());
    let devices = Devices {
        data: memory.clone(),
        index: memory,
    };
    let bucket = Bucket::create(devices, BucketId(1), Options::new(1)).await;
    let bucket = Arc::new(bucket.expect("a bucket"));
    let begun = Instant::now();
    fill(&bucket, keys).await;
    println!("{keys} objects put in {:?}", begun.elapsed());
    let done = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let rename = |from: &str, to: &str| bucket.rename_prefix(from.into(), to.into(), false);
    rename("old/", "new/").await.expect("a rename");
    println!("renamed in {:?}", begun.elapsed());
    let asking = ask_everything(&bucket, &done, keys);
    while rename("new/", "old/").await == Err(ChangeError::RenameRunning) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    done.store(true, Ordering::Relaxed);
    let rate = keys as f64 / took.as_secs_f64();
    println!("all rows moved in {took:?}: {rate:.0} keys a second");
    for asked in asking {
        asked.await.expect("no panic");
    }
}
