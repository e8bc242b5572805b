//! What a bucket itself costs: small puts, finds, reads and deletes, copies of something large and the
//! change feed, on a device in memory that answers at once. Run with `cargo bench -p s3d-bucket`.

mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use s3d_bucket::{
    Attributes, Body, Bucket, BucketId, Condition, CopyAttributes, CopySource, Devices, Key,
    ListRequest, Options,
};

use memory::Memory;

const OBJECTS: usize = 100_000;
const CONNECTIONS: usize = 32;
const COPIES: usize = 200;

fn key(n: usize) -> Key {
    Key::new(format!("photos/{:03}/{n:08}.jpg", n % 500)).expect("a key")
}

async fn measure<F>(
    name: &str,
    bucket: &Arc<Bucket>,
    work: impl Fn(Arc<Bucket>, usize) -> F + Copy + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let begun = Instant::now();
    let connections = (0..CONNECTIONS).map(|connection| {
        let bucket = bucket.clone();
        tokio::spawn(async move {
            for n in (connection..OBJECTS).step_by(CONNECTIONS) {
                work(bucket.clone(), n).await;
            }
        })
    });
    for connection in connections.collect::<Vec<_>>() {
        connection.await.expect("no panic");
    }
    let each = begun.elapsed() / OBJECTS as u32;
    println!(
        "{name}: {each:?} each, {:.0} a second",
        1.0 / each.as_secs_f64()
    );
}

/// Copies an object of 5 GiB again and again.
async fn measure_copies(bucket: &Bucket) {
    const SIZE: u64 = 5 << 30;
    let mut writer = bucket.writer(Some(SIZE));
    let run = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..SIZE >> 20 {
        writer.write(run.clone()).await.expect("a run");
    }
    let body = writer.finish().await.expect("a body");
    let large = Key::new("large").expect("a key");
    let put = bucket.put(
        large.clone(),
        Attributes::default(),
        body,
        Condition::default(),
    );
    put.await.expect("a put");
    let mut slowest = Duration::ZERO;
    for n in 0..COPIES {
        let source = CopySource {
            key: large.clone(),
            condition: Condition::default(),
        };
        let begun = Instant::now();
        let attributes = CopyAttributes::default();
        let copied = bucket.copy(source, key(n), attributes, Condition::default());
        copied.await.expect("a copy");
        slowest = slowest.max(begun.elapsed());
    }
    println!("copy of 5 GiB: {slowest:?} at most, of {COPIES}");
}

/// Reads the whole change feed.
async fn measure_feed(bucket: &Bucket) {
    let begun = Instant::now();
    let (mut through, mut events) = (0, 0);
    loop {
        let page = bucket.changes(through, "", 1000).await.expect("a page");
        events += page.events.len();
        through = page.through;
        if !page.more {
            break;
        }
    }
    println!(
        "changes: {:.0} events a second, of {events}",
        events as f64 / begun.elapsed().as_secs_f64()
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let memory = Arc::new(Memory::default());
    let devices = Devices {
        data: memory.clone(),
        index: memory,
    };
    let bucket = Bucket::create(devices, BucketId(1), Options::new(1))
        .await
        .expect("a bucket");
    let bucket = Arc::new(bucket);
    let body = Bytes::from(vec![7; 4096]);
    for round in ["put", "overwrite"] {
        let body = body.clone();
        let body: &'static Bytes = Box::leak(Box::new(body));
        measure(round, &bucket, move |bucket, n| async move {
            let etag = "9e107d9d372bb6826bd81d3542a419d6".to_owned();
            let attributes = Attributes {
                etag,
                ..Attributes::default()
            };
            let body = Body::Small(body.clone());
            bucket
                .put(key(n), attributes, body, Condition::default())
                .await
                .expect("a put");
        })
        .await;
    }
    measure("find", &bucket, |bucket, n| async move {
        bucket
            .find(&key(n))
            .await
            .expect("a find")
            .expect("an object");
    })
    .await;
    measure("get", &bucket, |bucket, n| async move {
        let found = bucket
            .find(&key(n))
            .await
            .expect("a find")
            .expect("an object");
        bucket
            .read(&found, 0..4096)
            .next()
            .await
            .expect("bytes")
            .expect("whole bytes");
    })
    .await;
    let begun = Instant::now();
    let (mut after, mut listed) = (None, 0);
    loop {
        let request = ListRequest {
            limit: 1000,
            after,
            ..ListRequest::default()
        };
        let page = bucket.list(request).await.expect("a page");
        listed += page.entries.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    println!(
        "list: {:.0} keys a second",
        listed as f64 / begun.elapsed().as_secs_f64()
    );
    measure("delete", &bucket, |bucket, n| async move {
        bucket
            .delete(key(n), Condition::default())
            .await
            .expect("a delete");
    })
    .await;
    measure_copies(&bucket).await;
    measure_feed(&bucket).await;
}
