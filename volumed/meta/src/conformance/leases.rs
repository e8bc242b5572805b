//! Leases and the keys that hang on them.

use super::{Backend, Store, commit, event, keys, next, open, put};
use crate::{Change, LeaseId, Outcome, Revision, StoreError};

/// In seconds: no test lasts as long.
const LONG: u64 = 3_600;

fn leased(key: &str, lease: LeaseId) -> Change {
    Change::PutLeased(key.into(), b"v".to_vec(), lease)
}

pub async fn a_lease_takes_its_keys_along(backend: &impl Backend) {
    let store = open(backend).await;
    let lease = store.grant_lease(LONG).await.unwrap();
    let other = store.grant_lease(LONG).await.unwrap();
    assert_ne!(lease, other);
    let changes = vec![
        leased("b", lease),
        leased("a", lease),
        leased("c", other),
        put("d", ""),
    ];
    let made = commit(&store, changes).await;
    let mut events = store.watch(b"", made).await.unwrap();
    store.end_lease(lease).await.unwrap();
    assert_eq!(keys(&store, b"", None, 10).await, [b"c", b"d"]);
    assert_eq!(next(&mut events).await, event(made + 1, "a", None));
    assert_eq!(next(&mut events).await, event(made + 1, "b", None));
    let late = store
        .transact(vec![], vec![put("e", ""), leased("a", lease)])
        .await;
    assert!(matches!(late, Err(StoreError::LeaseEnded)));
    assert_eq!(store.get(b"e").await.unwrap(), None);
    let renewed = store.renew_lease(lease).await;
    assert!(matches!(renewed, Err(StoreError::LeaseEnded)));
    let ended = store.end_lease(lease).await;
    assert!(matches!(ended, Err(StoreError::LeaseEnded)));
    store.renew_lease(other).await.unwrap();
}

pub async fn a_lease_ends_by_itself(backend: &impl Backend) {
    let store = open(backend).await;
    let long = store.grant_lease(LONG).await.unwrap();
    commit(&store, vec![leased("long", long)]).await;
    let (short, made) = put_for_a_moment(&store, "short").await;
    let mut events = store.watch(b"", made).await.unwrap();
    assert_eq!(next(&mut events).await, event(made + 1, "short", None));
    assert_eq!(keys(&store, b"", None, 10).await, [b"long"]);
    let renewed = store.renew_lease(short).await;
    assert!(matches!(renewed, Err(StoreError::LeaseEnded)));
}

/// Again until a lease lasts as long as its transaction: this process may be stopped in between.
async fn put_for_a_moment(store: &Store, key: &str) -> (LeaseId, Revision) {
    loop {
        let lease = store.grant_lease(1).await.unwrap();
        match store.transact(vec![], vec![leased(key, lease)]).await {
            Ok(Outcome::Committed(revision)) => return (lease, revision),
            Err(StoreError::LeaseEnded) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub async fn a_lease_without_keys_takes_no_revision(backend: &impl Backend) {
    let store = open(backend).await;
    let before = store.revision().await.unwrap();
    let lease = store.grant_lease(LONG).await.unwrap();
    store.renew_lease(lease).await.unwrap();
    store.end_lease(lease).await.unwrap();
    assert_eq!(store.revision().await.unwrap(), before);
}

pub async fn a_plain_put_frees_a_key_from_its_lease(backend: &impl Backend) {
    let store = open(backend).await;
    let lease = store.grant_lease(LONG).await.unwrap();
    commit(&store, vec![leased("a", lease)]).await;
    commit(&store, vec![put("a", "mine")]).await;
    store.end_lease(lease).await.unwrap();
    assert_eq!(store.get(b"a").await.unwrap().unwrap().value, b"mine");
}

pub async fn a_lease_outlives_the_handle_that_granted_it(backend: &impl Backend) {
    let first = open(backend).await;
    let lease = first.grant_lease(LONG).await.unwrap();
    commit(&first, vec![leased("a", lease)]).await;
    drop(first);
    let second = open(backend).await;
    assert!(second.get(b"a").await.unwrap().is_some());
    second.renew_lease(lease).await.unwrap();
    second.end_lease(lease).await.unwrap();
    assert_eq!(second.get(b"a").await.unwrap(), None);
}
