//! Others use the same etcd.

use std::time::Duration;

use etcd_client::{CompactionOptions, GetOptions};

use super::*;

#[tokio::test]
async fn neighbours_are_not_seen_and_left_alone() {
    let cluster = Cluster::start(1);
    let mut neighbour = neighbour(&cluster).await;
    let store = open(&cluster.endpoints()).await;
    let second = open(&format!("{}/hayrack2", cluster.endpoints())).await;
    let theirs = ["a", "/hayrac", "/hayrack", "/hayrack0", "/hayrack2/", "zz"];
    for key in theirs {
        neighbour.put(key, "theirs", None).await.unwrap();
    }
    let start = store.revision().await.unwrap();
    let mut events = store.watch(b"", start).await.unwrap();
    let ours = commit(&store, "a", "ours").await;
    commit(&second, "a", "second").await;
    neighbour.put("a", "theirs again", None).await.unwrap();
    let (revision, entries) = store.range(b"", None, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].value, b"ours");
    assert_eq!((entries[0].modified, revision), (ours, ours + 2));
    let all = vec![Change::DeletePrefix(vec![])];
    let Outcome::Committed(deleted) = store.transact(vec![], all).await.unwrap() else {
        panic!("refused without a condition");
    };
    assert_eq!(deleted, ours + 3);
    let revisions = [
        events.recv().await.unwrap().revision,
        events.recv().await.unwrap().revision,
    ];
    assert_eq!(revisions, [ours, deleted]);
    for key in theirs {
        let found = neighbour.get(key, None).await.unwrap();
        assert_eq!(found.kvs().len(), 1, "{key} is gone");
    }
    assert!(second.get(b"a").await.unwrap().is_some());
    let all = GetOptions::new().with_prefix();
    assert_eq!(
        neighbour.get("/hayrack/", Some(all)).await.unwrap().count(),
        0
    );
}

#[tokio::test]
async fn changes_that_are_no_longer_kept_are_told_of() {
    let cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    let first = commit(&store, "a", "1").await;
    let second = commit(&store, "a", "2").await;
    store
        .transact(vec![], vec![Change::Delete(b"a".to_vec())])
        .await
        .unwrap();
    let last = commit(&store, "b", "3").await;
    let mut neighbour = neighbour(&cluster).await;
    let physical = CompactionOptions::new().with_physical();
    let compacted = i64::try_from(second + 1).unwrap();
    neighbour.compact(compacted, Some(physical)).await.unwrap();
    let refused = store.watch(b"", second).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Compacted(at) if at == second),
        "{refused}"
    );
    let refused = store.watch(b"", first).await.unwrap_err();
    assert!(matches!(refused, StoreError::Compacted(_)), "{refused}");
    let mut events = store.watch(b"", second + 1).await.unwrap();
    assert_eq!(events.recv().await.unwrap().revision, last);
    let future = store.watch(b"", last + 5).await;
    assert!(future.is_ok());
}

#[tokio::test]
async fn a_range_of_many_pages_is_of_one_revision() {
    let cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    for batch in 0..20_u32 {
        let changes = (0..100)
            .map(|key: u32| Change::Put(format!("{batch:03}/{key:03}").into_bytes(), vec![7; 100]));
        store.transact(vec![], changes.collect()).await.unwrap();
    }
    let mut pages = Pages::of(&store.members, &store.keys, b"", None, usize::MAX);
    let first = pages.next().await.unwrap();
    let revision = pages.revision().await.unwrap();
    // Behind what was read, and before it.
    commit(&store, "019/099", "changed").await;
    commit(&store, "999", "new").await;
    let mut found: Vec<_> = first.into_iter().map(|found| found.entry).collect();
    loop {
        let page = pages.next().await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|found| found.entry));
    }
    assert_eq!(pages.revision().await.unwrap(), revision);
    assert_eq!(found.len(), 2_000);
    assert!(found.iter().all(|entry| entry.value == [7; 100]));
    let (_, all) = store.range(b"", None, usize::MAX).await.unwrap();
    assert_eq!(all.len(), 2_001);
    let (_, some) = store.range(b"", Some(b"004/099"), 1_000).await.unwrap();
    assert_eq!(some.len(), 1_000);
    assert_eq!(some[0].key, b"005/000");
}

#[tokio::test]
async fn a_copy_has_no_keys_of_leases() {
    let cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    commit(&store, "lasting", "1").await;
    let lease = store.grant_lease(3_600).await.unwrap();
    let leased = Change::PutLeased(b"head".to_vec(), vec![], lease);
    store.transact(vec![], vec![leased]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy.db");
    let copied = store.copy_to(&to).await.unwrap();
    assert_eq!(
        (copied.keys, copied.revision),
        (1, store.revision().await.unwrap())
    );
    let copy = crate::open(&to).await.unwrap();
    assert!(copy.get(b"lasting").await.unwrap().is_some());
    assert!(copy.get(b"head").await.unwrap().is_none());
    assert_eq!(copy.revision().await.unwrap(), copied.revision);
    let refused = copy.watch(b"", copied.revision - 1).await.unwrap_err();
    assert!(matches!(refused, StoreError::Compacted(_)), "{refused}");
}

#[tokio::test]
async fn a_copy_that_fails_leaves_the_last_one() {
    let mut cluster = Cluster::start(1);
    let store = open(&cluster.endpoints()).await;
    commit(&store, "a", "1").await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy.db");
    store.copy_to(&to).await.unwrap();
    let before = std::fs::read(&to).unwrap();
    let refused = store
        .copy_to(&folder.path().join("no/copy.db"))
        .await
        .unwrap_err();
    assert!(matches!(refused, CopyError::Write { .. }), "{refused}");
    cluster.kill(0);
    let refused = store.copy_to(&to).await.unwrap_err();
    assert!(
        matches!(refused, CopyError::Store(StoreError::Unavailable(_))),
        "{refused}"
    );
    assert_eq!(std::fs::read(&to).unwrap(), before);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_cluster_are_let_in() {
    let cluster = Cluster::start_with_tls(1);
    let certificates = cluster.certificates().unwrap();
    let with = |(certificate, key): (std::path::PathBuf, std::path::PathBuf)| {
        let files = (Some(certificates.ca()), Some(certificate), Some(key));
        let location = crate::Location::Etcd(location(&cluster.endpoints()));
        match location.with_tls(files).unwrap() {
            crate::Location::Etcd(etcd) => etcd,
            crate::Location::File(path) => panic!("{}", path.display()),
        }
    };
    let store = EtcdStore::open(with(certificates.client())).await.unwrap();
    let made = commit(&store, "a", "1").await;
    let mut events = store.watch(b"", made).await.unwrap();
    commit(&store, "a", "2").await;
    assert_eq!(events.recv().await.unwrap().value, Some(b"2".to_vec()));

    let begun = std::time::Instant::now();
    let stranger = EtcdStore::open(with(certificates.stranger()))
        .await
        .unwrap_err();
    assert!(
        matches!(stranger, OpenEtcdError::Unavailable { .. }),
        "{stranger}"
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
    let plain = EtcdStore::open(location(&cluster.endpoints()))
        .await
        .unwrap_err();
    assert!(
        matches!(plain, OpenEtcdError::Unavailable { .. }),
        "{plain}"
    );
    let (certificate, _) = certificates.client();
    let missing = EtcdStore::open(with((certificate, "no.key".into())))
        .await
        .unwrap_err();
    assert!(missing.to_string().contains("no.key"), "{missing}");
}
