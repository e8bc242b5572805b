//! Conditions, changes and revisions.

use super::{Backend, absent, commit, delete, open, put};
use crate::{Change, Compare, Outcome};

pub async fn an_empty_store_holds_nothing(backend: &impl Backend) {
    let store = open(backend).await;
    let revision = store.revision().await.unwrap();
    assert_eq!(store.get(b"a").await.unwrap(), None);
    assert_eq!(
        store.range(b"", None, 10).await.unwrap(),
        (revision, vec![])
    );
}

pub async fn a_transaction_has_one_revision(backend: &impl Backend) {
    let store = open(backend).await;
    let before = store.revision().await.unwrap();
    let first = commit(&store, vec![put("a", "1"), put("b", "2")]).await;
    let second = commit(&store, vec![delete("a"), put("c", "3")]).await;
    assert_eq!([first, second], [before + 1, before + 2]);
    let (revision, entries) = store.range(b"", None, 10).await.unwrap();
    assert_eq!(revision, second);
    let modified: Vec<_> = entries
        .iter()
        .map(|entry| (&*entry.key, entry.modified))
        .collect();
    assert_eq!(modified, [(&b"b"[..], first), (&b"c"[..], second)]);
}

pub async fn conditions_are_all_or_nothing(backend: &impl Backend) {
    let store = open(backend).await;
    let made = commit(&store, vec![put("a", "1")]).await;
    let failing = [
        vec![absent("a")],
        vec![Compare::Present(b"b".to_vec())],
        vec![Compare::Unchanged(b"a".to_vec(), made + 1)],
        vec![Compare::Unchanged(b"b".to_vec(), made)],
        vec![Compare::Unchanged(b"b".to_vec(), 0)],
        vec![absent("b"), absent("a")],
    ];
    for compares in failing {
        let outcome = store
            .transact(compares, vec![put("b", "x"), delete("a")])
            .await;
        assert_eq!(outcome.unwrap(), Outcome::Refused);
    }
    assert_eq!(store.revision().await.unwrap(), made);
    let holding = vec![
        absent("b"),
        Compare::Present(b"a".to_vec()),
        Compare::Unchanged(b"a".to_vec(), made),
    ];
    let outcome = store.transact(holding, vec![delete("a")]).await.unwrap();
    assert_eq!(outcome, Outcome::Committed(made + 1));
    assert_eq!(store.get(b"a").await.unwrap(), None);
}

pub async fn only_a_change_takes_a_revision(backend: &impl Backend) {
    let store = open(backend).await;
    let before = store.revision().await.unwrap();
    let nothing = [
        vec![],
        vec![delete("a")],
        vec![Change::DeletePrefix(b"a".to_vec())],
    ];
    for changes in nothing {
        assert_eq!(commit(&store, changes).await, before);
    }
    assert_eq!(commit(&store, vec![put("a", "1")]).await, before + 1);
    assert_eq!(commit(&store, vec![put("a", "1")]).await, before + 2);
    assert_eq!(commit(&store, vec![delete("b")]).await, before + 2);
}

pub async fn a_key_remembers_who_made_it(backend: &impl Backend) {
    let store = open(backend).await;
    let first = commit(&store, vec![put("a", "1")]).await;
    let second = commit(&store, vec![put("a", "2")]).await;
    let entry = store.get(b"a").await.unwrap().unwrap();
    assert_eq!((entry.created, entry.modified), (first, second));
    commit(&store, vec![delete("a")]).await;
    let again = commit(&store, vec![put("a", "")]).await;
    let entry = store.get(b"a").await.unwrap().unwrap();
    assert_eq!((entry.created, entry.modified), (again, again));
    assert_eq!(entry.value, b"");
}

pub async fn one_of_many_wins_a_key(backend: &impl Backend) {
    let store = open(backend).await;
    let before = store.revision().await.unwrap();
    let attempts = (0..50).map(|number: u32| {
        let store = store.clone();
        tokio::spawn(async move {
            let value = number.to_string();
            store
                .transact(vec![absent("lock")], vec![put("lock", &value)])
                .await
        })
    });
    let mut won = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        won += u32::from(attempt.await.unwrap().unwrap() != Outcome::Refused);
    }
    assert_eq!(won, 1);
    assert_eq!(store.revision().await.unwrap(), before + 1);
}
