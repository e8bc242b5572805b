//! Many buckets that are wanted at once.

use super::*;
use crate::open::OPENINGS;

#[tokio::test]
async fn who_serves_a_bucket_is_known_while_it_waits_to_be_opened() {
    let rack = Rack::new().await;
    let record = rack.create("one").await;
    rack.buckets.close_all().await;
    let all = u32::try_from(OPENINGS).unwrap();
    let others = rack.buckets.openings.acquire_many(all).await.unwrap();
    let mut opening = pin!(rack.buckets.open(&record));
    assert!(opening.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    assert_eq!(rack.buckets.server(&record).await, Ok(Server::Nobody));
    drop(others);
    opening.await.unwrap();
    assert_eq!(rack.buckets.server(&record).await, Ok(Server::Here));
}

#[tokio::test]
async fn buckets_that_are_asked_for_at_once_are_opened_some_at_a_time() {
    let rack = Rack::new().await;
    let mut records = Vec::new();
    for number in 0..OPENINGS + 8 {
        records.push(rack.create(&format!("bucket-{number}")).await);
    }
    rack.buckets.close_all().await;
    let openings = records.iter().map(|record| rack.buckets.open(record));
    let opened = futures::future::try_join_all(openings).await.unwrap();
    assert_eq!(opened.len(), records.len());
    assert_eq!(rack.volumes.most_attaching.load(SeqCst), OPENINGS);
}
