//! Watches that lose their connection.

use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::*;

async fn next(events: &mut Receiver<Event>) -> Event {
    let event = timeout(Duration::from_mins(1), events.recv()).await;
    event.expect("an event comes").expect("the watch goes on")
}

/// Writes numbers one after another, and sees all of them, once each and in order.
async fn sees_every_number(
    store: &EtcdStore,
    events: &mut Receiver<Event>,
    numbers: std::ops::Range<u32>,
) {
    let mut written = Vec::new();
    for number in numbers {
        // A number that was written twice is seen twice, and is no fault of the watch's.
        let key = format!("n/{number}").into_bytes();
        let absent = vec![Compare::Absent(key.clone())];
        loop {
            let change = vec![Change::Put(key.clone(), number.to_be_bytes().to_vec())];
            match store.transact(absent.clone(), change).await {
                Ok(_) => break,
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        written.push(key);
    }
    let mut last = 0;
    for key in written {
        let event = next(events).await;
        assert_eq!(event.key, key);
        assert!(event.revision > last);
        last = event.revision;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_at_another_member() {
    let mut cluster = Cluster::start(3);
    let store = open(&cluster.endpoints()).await;
    let start = store.revision().await.unwrap();
    let mut events = store.watch(b"n/", start).await.unwrap();
    sees_every_number(&store, &mut events, 0..20).await;
    cluster.kill(0);
    sees_every_number(&store, &mut events, 20..40).await;
    cluster.spawn_again(0);
    cluster.until_healthy(0);
    cluster.kill(1);
    sees_every_number(&store, &mut events, 40..60).await;
    cluster.spawn_again(1);
    cluster.until_healthy(1);
    cluster.pause(2);
    sees_every_number(&store, &mut events, 60..80).await;
    cluster.resume(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_survives_the_restart_of_its_only_member() {
    let mut cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    let start = store.revision().await.unwrap();
    let mut events = store.watch(b"n/", start).await.unwrap();
    for round in 0..3 {
        // Some of it is written before the watch saw what came before.
        sees_every_number(&store, &mut events, round * 20..round * 20 + 20).await;
        cluster.kill(0);
        cluster.spawn_again(0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_of_a_store_that_stays_away_ends() {
    let mut cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    let mut events = store.watch(b"", 0).await.unwrap();
    cluster.kill(0);
    let ended = timeout(Duration::from_mins(1), events.recv()).await;
    assert_eq!(ended.expect("it ends"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_missed_changes_ends() {
    let mut cluster = Cluster::start(3);
    let store = open(&cluster.endpoint(0)).await;
    let others = open(&format!("{},{}", cluster.endpoint(1), cluster.endpoint(2))).await;
    let mut events = store.watch(b"n/", 0).await.unwrap();
    commit(&others, "n/1", "").await;
    assert_eq!(next(&mut events).await.key, b"n/1");
    cluster.kill(0);
    let missed = loop {
        match others.transact(vec![], put("n/2", "")).await {
            Ok(Outcome::Committed(revision)) => break revision,
            Ok(Outcome::Refused) => panic!("refused without a condition"),
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    };
    let mut neighbour = Client::connect([cluster.endpoint(1)], None).await.unwrap();
    let compacted = i64::try_from(missed).unwrap();
    neighbour.compact(compacted, None).await.unwrap();
    cluster.spawn_again(0);
    let ended = timeout(Duration::from_mins(1), events.recv()).await;
    assert_eq!(ended.expect("it ends"), None);
}

#[tokio::test]
async fn a_watch_ends_with_its_store() {
    let cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    let mut events = store.watch(b"", 0).await.unwrap();
    drop(store);
    assert_eq!(events.recv().await, None);
}

/// One that does not listen holds up neither calls nor other watches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_does_not_listen_holds_up_nobody() {
    let cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    let deaf = store.watch(b"", 0).await.unwrap();
    let mut listening = store.watch(b"n/", 0).await.unwrap();
    for number in 0..40 {
        let value = "x".repeat(500 << 10);
        commit(&store, &format!("large/{number}"), &value).await;
    }
    sees_every_number(&store, &mut listening, 0..50).await;
    let mut deaf = deaf;
    for number in 0..40 {
        assert_eq!(
            next(&mut deaf).await.key,
            format!("large/{number}").into_bytes()
        );
    }
    assert_eq!(next(&mut deaf).await.key, b"n/0");
}
