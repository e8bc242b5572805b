//! Watchers see what changed, all of it, in order.

use super::{Backend, commit, event, next, open, put};
use crate::Change;

pub async fn a_watcher_sees_every_change_in_order(backend: &impl Backend) {
    let store = open(backend).await;
    let start = store.revision().await.unwrap();
    let mut events = store.watch(b"w/", start).await.unwrap();
    // In one revision: puts as they were given, keys below a deleted prefix by their order.
    let puts = vec![put("w/b", "1"), put("x", "no"), put("w/a", "2")];
    let made = commit(&store, puts).await;
    commit(&store, vec![put("x", "no")]).await;
    let deleted = commit(&store, vec![Change::DeletePrefix(b"w/".to_vec())]).await;
    assert_eq!(next(&mut events).await, event(made, "w/b", Some("1")));
    assert_eq!(next(&mut events).await, event(made, "w/a", Some("2")));
    assert_eq!(next(&mut events).await, event(deleted, "w/a", None));
    assert_eq!(next(&mut events).await, event(deleted, "w/b", None));
}

pub async fn a_watcher_starts_where_it_asked_to(backend: &impl Backend) {
    let store = open(backend).await;
    let start = store.revision().await.unwrap();
    for value in ["1", "2", "3"] {
        commit(&store, vec![put("a", value)]).await;
    }
    let mut late = store.watch(b"", start + 2).await.unwrap();
    assert_eq!(next(&mut late).await, event(start + 3, "a", Some("3")));
    let mut all = store.watch(b"", start).await.unwrap();
    assert_eq!(next(&mut all).await, event(start + 1, "a", Some("1")));
}

pub async fn a_watcher_may_start_in_the_future(backend: &impl Backend) {
    let store = open(backend).await;
    let start = store.revision().await.unwrap();
    let mut events = store.watch(b"", start + 1).await.unwrap();
    commit(&store, vec![put("a", "1")]).await;
    commit(&store, vec![put("a", "2")]).await;
    assert_eq!(next(&mut events).await, event(start + 2, "a", Some("2")));
}

pub async fn a_slow_watcher_misses_nothing(backend: &impl Backend) {
    let store = open(backend).await;
    let start = store.revision().await.unwrap();
    let mut events = store.watch(b"", start).await.unwrap();
    for number in 0..20_u32 {
        let changes = (0..50).map(|key: u32| put(&format!("{number:03}/{key:03}"), "x"));
        commit(&store, changes.collect()).await;
    }
    for number in 0..20_u32 {
        for key in 0..50_u32 {
            let expected = format!("{number:03}/{key:03}");
            assert_eq!(next(&mut events).await.key, expected.into_bytes());
        }
    }
}
