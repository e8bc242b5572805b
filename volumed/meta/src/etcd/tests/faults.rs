//! Members that die, hang and come back.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::members::DEADLINE;
use super::*;
use crate::location::Finder;

/// The deadline, and what a slow machine adds.
const ANSWERED: Duration = Duration::from_secs(4 + DEADLINE.as_secs());

/// An election is over after a few of them, each of which has its deadline.
const TRIES: usize = 12;

/// Until one succeeds, which must come by itself; each call answers within its deadline.
async fn write_until_done(store: &EtcdStore, key: &str) -> Revision {
    for _ in 0..TRIES {
        let begun = Instant::now();
        let outcome = store.transact(vec![], put(key, "")).await;
        assert!(begun.elapsed() < ANSWERED, "{:?}", begun.elapsed());
        match outcome {
            Ok(Outcome::Committed(revision)) => return revision,
            Err(StoreError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("the store does not come back");
}

async fn read_until_done(store: &EtcdStore) -> Revision {
    for _ in 0..TRIES {
        let begun = Instant::now();
        let answer = store.revision().await;
        assert!(begun.elapsed() < ANSWERED, "{:?}", begun.elapsed());
        match answer {
            Ok(revision) => return revision,
            Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the store does not come back");
}

/// The members, the one that is named first.
fn beginning_with(cluster: &Cluster, first: usize) -> String {
    let others = (0..cluster.size()).filter(|member| *member != first);
    let order = std::iter::once(first).chain(others);
    let endpoints: Vec<_> = order.map(|member| cluster.endpoint(member)).collect();
    endpoints.join(",")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_came_later_are_found_when_the_first_one_dies() {
    let mut cluster = Cluster::start(3);
    let known = Arc::new(Mutex::new(vec![cluster.endpoint(0)]));
    let found = Arc::clone(&known);
    let location = EtcdLocation {
        finder: Some(Finder::new(move || found.lock().clone())),
        ..location(&cluster.endpoint(0))
    };
    let store = EtcdStore::open(location).await.unwrap();
    commit(&store, "before", "").await;
    known
        .lock()
        .extend((1..3).map(|member| cluster.endpoint(member)));
    cluster.kill(0);
    write_until_done(&store, "after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_is_not_missed() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    // Another than the leader first, then the leader itself.
    for first in [(leader + 1) % 3, leader] {
        let store = open(&beginning_with(&cluster, first)).await;
        let before = commit(&store, "before", "").await;
        cluster.kill(first);
        assert!(read_until_done(&store).await >= before);
        let after = write_until_done(&store, "after").await;
        assert!(after > before);
        // What is not asked for twice is not done twice.
        let lease = store.grant_lease(60).await.unwrap();
        store.renew_lease(lease).await.unwrap();
        store.end_lease(lease).await.unwrap();
        cluster.spawn_again(first);
        cluster.until_healthy(first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hangs_is_replaced() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader();
    for first in [leader, (leader + 1) % 3] {
        let store = open(&beginning_with(&cluster, first)).await;
        let before = commit(&store, "before", "").await;
        let hanging = cluster.leader();
        cluster.pause(hanging);
        assert!(read_until_done(&store).await >= before);
        assert!(write_until_done(&store, "after").await > before);
        // From now on nobody waits for it.
        let begun = Instant::now();
        for _ in 0..5 {
            commit(&store, "again", "").await;
            store.get(b"again").await.unwrap();
        }
        assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
        cluster.resume(hanging);
        cluster.until_healthy(hanging);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_answered_until_there_is_one() {
    let mut cluster = Cluster::start(3);
    let store = open(&cluster.endpoints()).await;
    let before = commit(&store, "before", "").await;
    cluster.kill(1);
    cluster.kill(2);
    for _ in 0..2 {
        let begun = Instant::now();
        let read = store.get(b"before").await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
        let written = store.transact(vec![], put("lost", "")).await;
        assert!(
            matches!(written, Err(StoreError::Unavailable(_))),
            "{written:?}"
        );
        assert!(begun.elapsed() < 2 * ANSWERED, "{:?}", begun.elapsed());
    }
    cluster.spawn_again(1);
    assert!(write_until_done(&store, "after").await > before);
    assert!(store.get(b"before").await.unwrap().is_some());
}

/// A store counts how often it was changed, while the leader is paused or killed again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_happened_once() {
    let mut cluster = Cluster::start(3);
    let store = Arc::new(open(&cluster.endpoints()).await);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writers: Vec<_> = (0..4_u32)
        .map(|writer| {
            let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
            tokio::spawn(async move {
                let (mut done, mut unknown) = (Vec::new(), 0);
                for number in 0_u32.. {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("{writer}/{number:06}").into_bytes();
                    let absent = vec![Compare::Absent(key.clone())];
                    let change = vec![Change::Put(key.clone(), vec![])];
                    match store.transact(absent, change).await {
                        Ok(Outcome::Committed(revision)) => done.push((key, revision)),
                        Err(StoreError::Unavailable(_)) => unknown += 1,
                        // A transaction that was done, and then done again.
                        other => panic!("{other:?}"),
                    }
                }
                (done, unknown)
            })
        })
        .collect();
    for round in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let leader = cluster.leader();
        if round % 2 == 0 {
            cluster.kill(leader);
            write_until_done(&store, "after").await;
            cluster.spawn_again(leader);
        } else {
            cluster.pause(leader);
            write_until_done(&store, "after").await;
            cluster.resume(leader);
        }
        cluster.until_healthy(leader);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for writer in writers {
        let (done, _unknown) = writer.await.unwrap();
        assert!(!done.is_empty());
        for (key, revision) in done {
            let found = store.get(&key).await.unwrap();
            assert_eq!(found.map(|entry| entry.modified), Some(revision));
        }
    }
}

/// Otherwise the member that lives longest answers for all nodes in the end, and carries all their watches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nearest_member_is_asked_again_when_it_is_back() {
    let mut cluster = Cluster::start(3);
    let nearest = (cluster.leader() + 1) % 3;
    let store = open(&beginning_with(&cluster, nearest)).await;
    let mut events = store.watch(b"k", 0).await.unwrap();
    cluster.kill(nearest);
    write_until_done(&store, "k1").await;
    let away = store.members.turn().await;
    assert!(!away.is_multiple_of(3));
    cluster.spawn_again(nearest);
    cluster.until_healthy(nearest);
    store.members.try_nearest(DEADLINE).await;
    let back = store.members.turn().await;
    assert!(back > away && back.is_multiple_of(3));
    store.members.try_nearest(DEADLINE).await;
    assert_eq!(store.members.turn().await, back, "it is asked already");
    commit(&store, "k2", "").await;
    let seen = [events.recv().await.unwrap(), events.recv().await.unwrap()];
    assert_eq!(seen.map(|event| event.key), [b"k1", b"k2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_came_later_is_asked_if_it_is_nearer() {
    let cluster = Cluster::start(3);
    let known = Arc::new(Mutex::new(vec![cluster.endpoint(1)]));
    let found = Arc::clone(&known);
    let location = EtcdLocation {
        finder: Some(Finder::new(move || found.lock().clone())),
        ..location(&cluster.endpoint(1))
    };
    let store = EtcdStore::open(location).await.unwrap();
    let mut returns = store.members.returns();
    store.members.try_nearest(DEADLINE).await;
    assert!(!returns.has_changed().unwrap());
    known.lock().insert(0, cluster.endpoint(0));
    store.members.try_nearest(DEADLINE).await;
    assert!(returns.has_changed().unwrap());
    returns.mark_unchanged();
    store.members.try_nearest(DEADLINE).await;
    assert!(!returns.has_changed().unwrap());
    commit(&store, "after", "").await;
}
