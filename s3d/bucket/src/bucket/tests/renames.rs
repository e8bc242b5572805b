//! Renames of an open bucket.

use super::*;
use crate::errors::ChangeError;
use crate::index::feed::EventKind;
use crate::requests::{CopySource, RequestToken};

const TOKEN: RequestToken = RequestToken {
    token: [3; 16],
    parameters: [4; 16],
};

async fn rename(
    bucket: &Bucket,
    from: &str,
    to: &str,
    token: Option<RequestToken>,
) -> Result<(), ChangeError> {
    let source = CopySource {
        key: key(from),
        condition: Condition::default(),
    };
    let renamed = bucket.rename(source, key(to), Condition::default(), token);
    renamed.await
}

#[tokio::test(start_paused = true)]
async fn bytes_stay_where_they_are() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    let before = put(&bucket, "a", 3_000_000).await;
    put(&bucket, "b", 100_000).await;
    let written = device.durable.load(Ordering::Relaxed);
    rename(&bucket, "a", "b", None).await.unwrap();
    assert_eq!(device.durable.load(Ordering::Relaxed), written + 1);
    assert!(bucket.find(&key("a")).await.unwrap().is_none());
    let found = bucket.find(&key("b")).await.unwrap().unwrap();
    assert_eq!(
        (&found.blob, found.modified),
        (&before.blob, before.modified)
    );
    assert_eq!(read(&bucket, "b").await, pattern(3_000_000));
    assert!(bucket.check(true).await.unwrap().is_sound());
}

#[tokio::test(start_paused = true)]
async fn the_feed_shows_what_came_and_what_went() {
    let bucket = bucket(&Arc::default()).await;
    put(&bucket, "a", 10).await;
    let put = bucket.changes(0, "", 10).await.unwrap().through;
    rename(&bucket, "a", "b", None).await.unwrap();
    for folded in [false, true] {
        if folded {
            bucket.checkpoint().await.unwrap();
        }
        let first = bucket.changes(put, "", 1).await.unwrap();
        assert_eq!(first.events[0].key, key("b"));
        let kind = &first.events[0].kind;
        assert!(matches!(kind, EventKind::Put { size: 10, .. }), "{kind:?}");
        let second = bucket.changes(first.through, "", 1).await.unwrap();
        assert_eq!(second.events[0].key, key("a"));
        assert_eq!(second.events[0].kind, EventKind::Deleted);
        assert!(first.more && !second.more);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_remembered_through_a_restart_and_a_fold() {
    let device: Arc<Sparse> = Arc::default();
    let first = bucket(&device).await;
    put(&first, "a", 10).await;
    rename(&first, "a", "b", Some(TOKEN)).await.unwrap();
    // As the power would leave it, and as a fold does.
    let torn = bucket(&Arc::new(device.snapshot())).await;
    first.close().await;
    let second = bucket(&device).await;
    for bucket in [torn, second] {
        assert_eq!(
            bucket.used_token(&TOKEN.token).await,
            Ok(Some(TOKEN.parameters))
        );
        assert_eq!(bucket.used_token(&[9; 16]).await, Ok(None));
        rename(&bucket, "a", "b", Some(TOKEN)).await.unwrap();
        let other = RequestToken {
            parameters: [5; 16],
            ..TOKEN
        };
        let refused = rename(&bucket, "b", "a", Some(other)).await;
        assert_eq!(refused, Err(ChangeError::TokenReused));
        assert!(bucket.check(true).await.unwrap().is_sound());
    }
}

/// An index that an earlier version made has no table for tokens.
#[tokio::test(start_paused = true)]
async fn an_index_without_tokens_gets_them() {
    let device: Arc<Sparse> = Arc::default();
    let first = bucket(&device).await;
    put(&first, "a", 10).await;
    first.checkpoint().await.unwrap();
    first.shared.index.store().forget(Table::Tokens);
    assert_eq!(first.used_token(&TOKEN.token).await, Ok(None));
    assert!(first.check(true).await.unwrap().is_sound());
    rename(&first, "a", "b", Some(TOKEN)).await.unwrap();
    first.checkpoint().await.unwrap();
    assert_eq!(rows(&first, Table::Tokens).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_takes_renames_that_free_space_at_the_cost_of_the_reserve() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    put(&bucket, "a", 10).await;
    put(&bucket, "b", 3_000_000).await;
    device.full.store(true, Ordering::Relaxed);
    let refused = rename(&bucket, "a", "c", Some(TOKEN)).await;
    assert_eq!(refused, Err(ChangeError::NoSpace));
    assert!(device.full.load(Ordering::Relaxed), "the reserve is kept");
    let before = *device.trimmed.lock();
    rename(&bucket, "a", "b", Some(TOKEN)).await.unwrap();
    assert!(!device.full.load(Ordering::Relaxed));
    assert_eq!(read(&bucket, "b").await, pattern(10));
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    assert!(*device.trimmed.lock() - before >= 3_000_000);
}

/// A repeated rename needs no space, whatever it waits beside.
#[tokio::test(start_paused = true)]
async fn a_full_pool_answers_what_was_made_before() {
    let device: Arc<Sparse> = Arc::default();
    let bucket = bucket(&device).await;
    put(&bucket, "a", 10).await;
    rename(&bucket, "a", "b", Some(TOKEN)).await.unwrap();
    device.full.store(true, Ordering::Relaxed);
    let body = Body::Small(Bytes::from_static(b"c"));
    let (attributes, condition) = (Attributes::default(), Condition::default());
    let (stored, renamed) = tokio::join!(
        bucket.put(key("c"), attributes, body, condition),
        rename(&bucket, "a", "b", Some(TOKEN)),
    );
    assert_eq!(stored.unwrap_err(), ChangeError::NoSpace);
    assert_eq!(renamed, Ok(()));
    assert!(device.full.load(Ordering::Relaxed), "the reserve is kept");
}
