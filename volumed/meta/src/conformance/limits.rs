//! Every store takes the same transactions.

use super::{Backend, absent, commit, delete, keys, open, put};
use crate::{Change, InvalidTransaction, MAX_OPERATIONS, MAX_TRANSACTION_BYTES, StoreError};

pub async fn the_largest_transaction_is_taken(backend: &impl Backend) {
    let store = open(backend).await;
    let all = || (0..MAX_OPERATIONS).map(|number| format!("{number:03}"));
    let compares = all().map(|key| absent(&key)).collect();
    let changes = all().map(|key| put(&key, "")).collect();
    store.transact(compares, changes).await.unwrap();
    assert_eq!(
        keys(&store, b"", None, usize::MAX).await.len(),
        MAX_OPERATIONS
    );
    let value = vec![7; MAX_TRANSACTION_BYTES - 1];
    commit(&store, vec![Change::Put(b"v".to_vec(), value.clone())]).await;
    assert_eq!(store.get(b"v").await.unwrap().unwrap().value, value);
}

pub async fn too_large_a_transaction_is_refused(backend: &impl Backend) {
    let store = open(backend).await;
    let before = store.revision().await.unwrap();
    let one_more = || (0..=MAX_OPERATIONS).map(|number| format!("{number:03}"));
    let compares = one_more().map(|key| absent(&key)).collect();
    let changes = one_more().map(|key| put(&key, "")).collect();
    let half = || vec![7; MAX_TRANSACTION_BYTES / 2];
    let large = vec![
        Change::Put(b"a".to_vec(), half()),
        Change::Put(b"b".to_vec(), half()),
    ];
    let many = InvalidTransaction::TooManyOperations(MAX_OPERATIONS + 1);
    let bytes = InvalidTransaction::TooLarge(MAX_TRANSACTION_BYTES + 2);
    for (compares, changes, expected) in [
        (compares, vec![], &many),
        (vec![], changes, &many),
        (vec![], large, &bytes),
        (vec![], vec![put("", "")], &InvalidTransaction::EmptyKey),
        (vec![absent("")], vec![], &InvalidTransaction::EmptyKey),
    ] {
        let refused = store.transact(compares, changes).await;
        assert!(matches!(&refused, Err(StoreError::Invalid(why)) if why == expected));
    }
    assert_eq!(store.revision().await.unwrap(), before);
}

pub async fn a_key_is_changed_once_by_a_transaction(backend: &impl Backend) {
    let store = open(backend).await;
    let below = |prefix: &str| Change::DeletePrefix(prefix.into());
    let refused = [
        vec![put("a/b", "1"), put("a/b", "2")],
        vec![put("a/b", "1"), delete("a/b")],
        vec![delete("a/b"), put("a/b", "1")],
        vec![below("a/"), put("a/b", "1")],
        vec![put("a/b", "1"), below("")],
    ];
    let twice = InvalidTransaction::ChangedTwice(b"a/b".to_vec());
    for changes in refused {
        let refused = store.transact(vec![], changes).await;
        assert!(matches!(refused, Err(StoreError::Invalid(why)) if why == twice));
    }
    let taken = vec![
        put("a", "1"),
        below("a/"),
        delete("a/b"),
        delete("a/b"),
        put("b", ""),
    ];
    commit(&store, taken).await;
    assert_eq!(keys(&store, b"", None, 10).await, [b"a", b"b"]);
}
