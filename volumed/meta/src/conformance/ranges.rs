//! Ordered keys and prefixes.

use super::{Backend, commit, keys, open, put};
use crate::Change;

pub async fn ranges_are_ordered_and_paged(backend: &impl Backend) {
    let store = open(backend).await;
    let all = ["b/2", "a", "b/10", "b/1", "c"];
    commit(&store, all.map(|key| put(key, "")).into()).await;
    assert_eq!(
        keys(&store, b"b/", None, 10).await,
        [&b"b/1"[..], b"b/10", b"b/2"]
    );
    assert_eq!(keys(&store, b"b/", None, 2).await, [&b"b/1"[..], b"b/10"]);
    assert_eq!(keys(&store, b"b/", Some(b"b/10"), 2).await, [b"b/2"]);
    assert_eq!(keys(&store, b"b/", Some(b"a"), 1).await, [b"b/1"]);
    assert!(keys(&store, b"b/", Some(b"c"), 10).await.is_empty());
    assert!(keys(&store, b"", None, 0).await.is_empty());
    assert_eq!(keys(&store, b"", None, 10).await.len(), 5);
}

pub async fn a_prefix_ends_where_it_should(backend: &impl Backend) {
    let store = open(backend).await;
    let all: [&[u8]; 6] = [
        b"\x00",
        b"\xfe\xff",
        b"\xfe\xff\xff",
        b"\xff",
        b"\xff\x00",
        b"\xff\xff",
    ];
    let puts = all.map(|key| Change::Put(key.to_vec(), vec![]));
    commit(&store, puts.into()).await;
    assert_eq!(keys(&store, b"\xff", None, 10).await, all[3..]);
    assert_eq!(keys(&store, b"\xfe\xff", None, 10).await, all[1..3]);
    commit(&store, vec![Change::DeletePrefix(b"\xfe\xff".to_vec())]).await;
    assert_eq!(
        keys(&store, b"", None, 10).await,
        [all[0], all[3], all[4], all[5]]
    );
    commit(&store, vec![Change::DeletePrefix(vec![])]).await;
    assert!(keys(&store, b"", None, 10).await.is_empty());
}

pub async fn a_range_says_when_it_was_read(backend: &impl Backend) {
    let store = open(backend).await;
    let made = commit(&store, vec![put("a", "")]).await;
    assert_eq!(store.range(b"a", None, 1).await.unwrap().0, made);
    let later = commit(&store, vec![put("b", "")]).await;
    let (revision, entries) = store.range(b"a", None, 1).await.unwrap();
    assert_eq!((revision, entries[0].modified), (later, made));
}
