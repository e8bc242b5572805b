//! The feed of a bucket on a device in memory.

use std::sync::Arc;

use super::*;
use crate::attributes::AttributeChange;
use crate::bucket::tests::{Sparse, key, open_with, put};
use crate::bucket::{Bucket, Options};
use crate::condition::Condition;

async fn bucket(device: &Arc<Sparse>, retention: FeedRetention) -> Bucket {
    let options = Options {
        feed: retention,
        ..Options::new(1)
    };
    open_with(device, options).await
}

/// All events behind `after`, page by page.
async fn all(bucket: &Bucket, after: u64, prefix: &str, limit: usize) -> Vec<Event> {
    let (mut through, mut events) = (after, Vec::new());
    loop {
        let page = bucket.changes(through, prefix, limit).await.unwrap();
        assert!(page.events.len() <= limit);
        events.extend(page.events);
        through = page.through;
        if !page.more {
            return events;
        }
    }
}

fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| match &event.kind {
        EventKind::Put { .. } => format!("put {}", event.key.as_str()),
        EventKind::Attributes { .. } => format!("relabel {}", event.key.as_str()),
        EventKind::Deleted => format!("delete {}", event.key.as_str()),
        EventKind::PrefixRenamed { to } => format!("rename {} {to}", event.key.as_str()),
    };
    events.iter().map(name).collect()
}

async fn some_changes(bucket: &Bucket) {
    put(bucket, "a/1", 10).await;
    put(bucket, "b/1", 20).await;
    let tags = AttributeChange::Tags(Vec::new());
    let relabelled = bucket.change_attributes(key("a/1"), tags, Condition::default());
    relabelled.await.unwrap();
    bucket
        .delete(key("a/1"), Condition::default())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn events_are_the_same_before_and_behind_a_fold_and_a_restart() {
    let device: Arc<Sparse> = Arc::default();
    let first = bucket(&device, FeedRetention::default()).await;
    some_changes(&first).await;
    let events = all(&first, 0, "", 100).await;
    assert_eq!(
        names(&events),
        ["put a/1", "put b/1", "relabel a/1", "delete a/1"]
    );
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert!(matches!(events[1].kind, EventKind::Put { size: 20, .. }));
    // As the power would leave it: the events are replayed.
    let device = Arc::new(device.snapshot());
    let second = bucket(&device, FeedRetention::default()).await;
    assert_eq!(all(&second, 0, "", 100).await, events);
    some_changes(&second).await;
    let more = all(&second, 0, "", 3).await;
    assert_eq!(more[..4], events);
    second.checkpoint().await.unwrap();
    some_changes(&second).await;
    let most = all(&second, 0, "", 5).await;
    assert_eq!(most[..8], more);
    assert_eq!(most.len(), 12);
    assert_eq!(all(&second, events[3].sequence, "", 100).await, most[4..]);
    second.close().await;
    let third = bucket(&device, FeedRetention::default()).await;
    assert_eq!(all(&third, 0, "", 100).await, most);
}

#[tokio::test(start_paused = true)]
async fn a_prefix_is_looked_for_in_all_events() {
    let bucket = bucket(&Arc::default(), FeedRetention::default()).await;
    some_changes(&bucket).await;
    bucket.checkpoint().await.unwrap();
    some_changes(&bucket).await;
    let events = all(&bucket, 0, "b/", 1).await;
    assert_eq!(names(&events), ["put b/1", "put b/1"]);
    let page = bucket.changes(0, "c", 10).await.unwrap();
    assert_eq!((page.events.len(), page.more), (0, false));
    assert_eq!(page.through, *bucket.watch_changes().borrow());
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_what_is_not_kept_is_refused() {
    let retention = FeedRetention {
        events: 8,
        bytes: 1 << 20,
    };
    let bucket = bucket(&Arc::default(), retention).await;
    for _ in 0..4 {
        some_changes(&bucket).await;
        bucket.checkpoint().await.unwrap();
    }
    let Err(ChangesError::Gone { oldest }) = bucket.changes(0, "", 10).await else {
        panic!("events were dropped");
    };
    let events = all(&bucket, oldest - 1, "", 100).await;
    assert_eq!(events.len(), 8);
    assert!(events[0].sequence >= oldest);
    assert!(matches!(events[0].kind, EventKind::Put { size: 10, .. }));
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_is_woken() {
    let bucket = Arc::new(bucket(&Arc::default(), FeedRetention::default()).await);
    let mut changes = bucket.watch_changes();
    let following = {
        let bucket = bucket.clone();
        tokio::spawn(async move {
            changes.changed().await.unwrap();
            all(&bucket, 0, "", 100).await
        })
    };
    put(&bucket, "a", 1).await;
    assert_eq!(names(&following.await.unwrap()), ["put a"]);
    let mut changes = bucket.watch_changes();
    bucket.close().await;
    changes.changed().await.unwrap();
    assert!(bucket.closed().is_some());
}
