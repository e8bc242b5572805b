//! What every [`MetaStore`] must do. Each function takes an empty store.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use volumed_meta::{Change, Compare, Event, MetaStore, Outcome, StoreError};

type Store = Arc<dyn MetaStore>;

fn put(key: &str, value: &str) -> Change {
    Change::Put(key.into(), value.into())
}

fn delete(key: &str) -> Change {
    Change::Delete(key.into())
}

fn absent(key: &str) -> Compare {
    Compare::Absent(key.into())
}

fn event(revision: u64, key: &str, value: Option<&str>) -> Event {
    Event {
        revision,
        key: key.into(),
        value: value.map(Into::into),
    }
}

async fn commit(store: &Store, changes: Vec<Change>) -> u64 {
    match store.transact(vec![], changes).await.unwrap() {
        Outcome::Committed(revision) => revision,
        Outcome::Refused => panic!("refused without a condition"),
    }
}

async fn keys(store: &Store, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
    let (_, entries) = store.range(prefix, after, limit).await.unwrap();
    entries.into_iter().map(|entry| entry.key).collect()
}

/// Long enough that only a defect reaches it.
async fn next(events: &mut Receiver<Event>) -> Event {
    let event = timeout(Duration::from_secs(30), events.recv()).await;
    event.expect("an event comes").expect("the watch goes on")
}

pub async fn an_empty_store_has_revision_0(store: Store) {
    assert_eq!(store.revision().await.unwrap(), 0);
    assert_eq!(store.get(b"a").await.unwrap(), None);
    assert_eq!(store.range(b"", None, 10).await.unwrap(), (0, vec![]));
}

pub async fn a_transaction_has_one_revision(store: Store) {
    assert_eq!(commit(&store, vec![put("a", "1"), put("b", "2")]).await, 1);
    assert_eq!(commit(&store, vec![delete("a"), put("c", "3")]).await, 2);
    let (revision, entries) = store.range(b"", None, 10).await.unwrap();
    assert_eq!(revision, 2);
    let modified: Vec<_> = entries
        .iter()
        .map(|entry| (&*entry.key, entry.modified))
        .collect();
    assert_eq!(modified, [(&b"b"[..], 1), (&b"c"[..], 2)]);
}

pub async fn conditions_are_all_or_nothing(store: Store) {
    commit(&store, vec![put("a", "1")]).await;
    let failing = [
        vec![absent("a")],
        vec![Compare::Present(b"b".to_vec())],
        vec![Compare::Unchanged(b"a".to_vec(), 2)],
        vec![Compare::Unchanged(b"b".to_vec(), 0)],
        vec![absent("b"), absent("a")],
    ];
    for compares in failing {
        let outcome = store
            .transact(compares, vec![put("b", "x"), delete("a")])
            .await;
        assert_eq!(outcome.unwrap(), Outcome::Refused);
    }
    assert_eq!(store.revision().await.unwrap(), 1);
    let holding = vec![
        absent("b"),
        Compare::Present(b"a".to_vec()),
        Compare::Unchanged(b"a".to_vec(), 1),
    ];
    let outcome = store.transact(holding, vec![delete("a")]).await.unwrap();
    assert_eq!(outcome, Outcome::Committed(2));
    assert_eq!(store.get(b"a").await.unwrap(), None);
}

pub async fn only_a_change_takes_a_revision(store: Store) {
    assert_eq!(commit(&store, vec![]).await, 0);
    assert_eq!(commit(&store, vec![delete("a")]).await, 0);
    assert_eq!(
        commit(&store, vec![Change::DeletePrefix(b"a".to_vec())]).await,
        0
    );
    assert_eq!(commit(&store, vec![put("a", "1")]).await, 1);
    assert_eq!(commit(&store, vec![put("a", "1")]).await, 2);
    assert_eq!(commit(&store, vec![delete("b")]).await, 2);
}

pub async fn a_key_remembers_who_made_it(store: Store) {
    commit(&store, vec![put("a", "1")]).await;
    commit(&store, vec![put("a", "2")]).await;
    let entry = store.get(b"a").await.unwrap().unwrap();
    assert_eq!((entry.created, entry.modified), (1, 2));
    commit(&store, vec![delete("a")]).await;
    commit(&store, vec![put("a", "3")]).await;
    let entry = store.get(b"a").await.unwrap().unwrap();
    assert_eq!((entry.created, entry.modified), (4, 4));
}

pub async fn ranges_are_ordered_and_paged(store: Store) {
    commit(
        &store,
        ["b/2", "a", "b/10", "b/1", "c"]
            .map(|key| put(key, ""))
            .into(),
    )
    .await;
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

pub async fn a_prefix_ends_where_it_should(store: Store) {
    let all: [&[u8]; 6] = [
        b"",
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

pub async fn a_watcher_sees_every_change_in_order(store: Store) {
    let mut events = store.watch(b"w/", 0).await.unwrap();
    commit(
        &store,
        vec![put("w/a", "1"), put("x", "no"), put("w/b", "2")],
    )
    .await;
    commit(&store, vec![put("x", "no")]).await;
    commit(&store, vec![Change::DeletePrefix(b"w/".to_vec())]).await;
    assert_eq!(next(&mut events).await, event(1, "w/a", Some("1")));
    assert_eq!(next(&mut events).await, event(1, "w/b", Some("2")));
    assert_eq!(next(&mut events).await, event(3, "w/a", None));
    assert_eq!(next(&mut events).await, event(3, "w/b", None));
}

pub async fn a_watcher_starts_where_it_asked_to(store: Store) {
    for value in ["1", "2", "3"] {
        commit(&store, vec![put("a", value)]).await;
    }
    let mut late = store.watch(b"", 2).await.unwrap();
    assert_eq!(next(&mut late).await, event(3, "a", Some("3")));
    let mut all = store.watch(b"", 0).await.unwrap();
    assert_eq!(next(&mut all).await, event(1, "a", Some("1")));
}

pub async fn a_slow_watcher_misses_nothing(store: Store) {
    let mut events = store.watch(b"", 0).await.unwrap();
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

pub async fn a_lease_takes_its_keys_along(store: Store) {
    let lease = store.grant_lease(3_600).await.unwrap();
    let other = store.grant_lease(3_600).await.unwrap();
    assert_ne!(lease, other);
    let leased = |key: &str, lease| Change::PutLeased(key.into(), b"v".to_vec(), lease);
    commit(
        &store,
        vec![leased("a", lease), leased("b", other), put("c", "")],
    )
    .await;
    let mut events = store.watch(b"", 1).await.unwrap();
    store.end_lease(lease).await.unwrap();
    assert_eq!(keys(&store, b"", None, 10).await, [b"b", b"c"]);
    assert_eq!(next(&mut events).await, event(2, "a", None));
    let late = store
        .transact(vec![], vec![put("d", ""), leased("a", lease)])
        .await;
    assert!(matches!(late, Err(StoreError::LeaseEnded)));
    assert_eq!(store.get(b"d").await.unwrap(), None);
    assert!(matches!(
        store.renew_lease(lease).await,
        Err(StoreError::LeaseEnded)
    ));
    assert!(matches!(
        store.end_lease(lease).await,
        Err(StoreError::LeaseEnded)
    ));
    store.renew_lease(other).await.unwrap();
}

pub async fn a_lease_ends_by_itself_unless_renewed(store: Store) {
    let short = store.grant_lease(1).await.unwrap();
    let long = store.grant_lease(3_600).await.unwrap();
    let changes = vec![
        Change::PutLeased(b"long".to_vec(), vec![], long),
        Change::PutLeased(b"short".to_vec(), vec![], short),
    ];
    commit(&store, changes).await;
    store.renew_lease(short).await.unwrap();
    let mut events = store.watch(b"", 1).await.unwrap();
    assert_eq!(next(&mut events).await, event(2, "short", None));
    assert_eq!(keys(&store, b"", None, 10).await, [b"long"]);
    assert!(matches!(
        store.renew_lease(short).await,
        Err(StoreError::LeaseEnded)
    ));
}

pub async fn a_plain_put_frees_a_key_from_its_lease(store: Store) {
    let lease = store.grant_lease(3_600).await.unwrap();
    commit(
        &store,
        vec![Change::PutLeased(b"a".to_vec(), vec![], lease)],
    )
    .await;
    commit(&store, vec![put("a", "mine")]).await;
    store.end_lease(lease).await.unwrap();
    assert_eq!(store.get(b"a").await.unwrap().unwrap().value, b"mine");
}

pub async fn one_of_many_wins_a_key(store: Store) {
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
    assert_eq!(store.revision().await.unwrap(), 1);
}

pub async fn two_handles_see_each_other(one: Store, two: Store) {
    let mut events = two.watch(b"", 0).await.unwrap();
    commit(&one, vec![put("a", "1")]).await;
    assert_eq!(next(&mut events).await, event(1, "a", Some("1")));
    assert_eq!(two.get(b"a").await.unwrap().unwrap().value, b"1");
    let rounds = |store: Store| {
        tokio::spawn(async move {
            for _ in 0..100 {
                increment(&store).await;
            }
        })
    };
    let (first, second) = (rounds(one.clone()), rounds(two.clone()));
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(one.get(b"n").await.unwrap().unwrap().value, b"200");
    assert_eq!(one.revision().await.unwrap(), 201);
}

async fn increment(store: &Store) {
    loop {
        let (compare, value) = match store.get(b"n").await.unwrap() {
            None => (absent("n"), 0),
            Some(entry) => {
                let value: u32 = String::from_utf8(entry.value).unwrap().parse().unwrap();
                (Compare::Unchanged(b"n".to_vec(), entry.modified), value)
            }
        };
        let change = put("n", &(value + 1).to_string());
        if store.transact(vec![compare], vec![change]).await.unwrap() != Outcome::Refused {
            return;
        }
    }
}
