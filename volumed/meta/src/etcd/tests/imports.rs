//! A SQLite store that moves into an etcd.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::SqliteStore;

/// A file with keys of all kinds, more than one page and more than one transaction of them.
async fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.db");
    let store = SqliteStore::open(&path).unwrap();
    for batch in 0..40_u32 {
        let changes = (0..100_u32).map(|key| {
            let name = format!("volumes/{batch:03}/{key:03}").into_bytes();
            Change::Put(name, vec![key as u8; 10 * key as usize])
        });
        store.transact(vec![], changes.collect()).await.unwrap();
    }
    let large = vec![7; crate::MAX_TRANSACTION_BYTES - 1];
    for (key, value) in [
        (&b"\xff\xff"[..], &b""[..]),
        (b"\0", b"zero"),
        (b"l", &large),
    ] {
        let change = Change::Put(key.to_vec(), value.to_vec());
        store.transact(vec![], vec![change]).await.unwrap();
    }
    for (key, value) in [("store/base", "5"), ("gone", "")] {
        store.transact(vec![], put(key, value)).await.unwrap();
    }
    let gone = vec![Change::Delete(b"gone".to_vec())];
    store.transact(vec![], gone).await.unwrap();
    let lease = store.grant_lease(3_600).await.unwrap();
    let leased = Change::PutLeased(b"head".to_vec(), vec![], lease);
    store.transact(vec![], vec![leased]).await.unwrap();
    (folder, path)
}

async fn contents(store: &dyn MetaStore) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (_, entries) = store.range(b"", None, usize::MAX).await.unwrap();
    entries
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect()
}

fn instead() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let pairs = [("store/base", "2000"), ("a/first", "1"), ("zz/last", "2")];
    pairs.map(|(key, value)| (key.into(), value.into())).into()
}

#[tokio::test]
async fn a_file_arrives_unchanged_but_for_what_is_asked_for() {
    let cluster = Cluster::start(1);
    let (_folder, file) = file().await;
    let into = location(&cluster.endpoints());
    let imported = import(&file, into.clone(), instead()).await.unwrap();
    let source = SqliteStore::open(&file).unwrap();
    let mut expected = contents(&source).await;
    assert!(expected.remove(&b"head"[..]).is_some());
    expected.extend(instead());
    let store = EtcdStore::open(into.clone()).await.unwrap();
    assert_eq!(contents(&store).await, expected);
    assert_eq!(imported.keys, expected.len() as u64);
    assert_eq!(imported.from, source.revision().await.unwrap());
    // Its end took one more.
    assert_eq!(store.revision().await.unwrap(), imported.at + 1);

    let again = import(&file, into, instead()).await.unwrap_err();
    assert!(matches!(again, ImportError::NotEmpty(_)), "{again}");
    assert_eq!(contents(&store).await, expected);
    let beside = location(&format!("{}/second", cluster.endpoints()));
    import(&file, beside, BTreeMap::new()).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_an_etcd_is_brought_into_another() {
    let (cluster, other) = (Cluster::start(1), Cluster::start(1));
    let (folder, file) = file().await;
    let into = location(&cluster.endpoints());
    import(&file, into.clone(), BTreeMap::new()).await.unwrap();
    let store = EtcdStore::open(into).await.unwrap();
    let copy = folder.path().join("copy.db");
    store.copy_to(&copy).await.unwrap();
    let into = location(&other.endpoints());
    import(&copy, into.clone(), BTreeMap::new()).await.unwrap();
    let arrived = EtcdStore::open(into).await.unwrap();
    assert_eq!(contents(&arrived).await, contents(&store).await);
}

#[tokio::test]
async fn an_import_that_did_not_end_cannot_be_opened_and_is_made_again() {
    let cluster = Cluster::start(1);
    let (_folder, file) = file().await;
    let into = location(&cluster.endpoints());
    // Killed after some of its transactions.
    for so_far in [1_u32, 3, 10] {
        let part = tokio::select! {
            biased;
            () = written(&cluster, so_far) => true,
            done = import(&file, into.clone(), instead()) => panic!("{done:?}"),
        };
        assert!(part);
        let refused = EtcdStore::open(into.clone()).await.unwrap_err();
        assert!(matches!(refused, OpenEtcdError::InPart(_)), "{refused}");
        // A key that no attempt would bring.
        let mut neighbour = neighbour(&cluster).await;
        neighbour.put("/hayrack/stray", "", None).await.unwrap();
    }
    import(&file, into.clone(), instead()).await.unwrap();
    let store = EtcdStore::open(into).await.unwrap();
    let mut expected = contents(&SqliteStore::open(&file).unwrap()).await;
    expected.remove(&b"head"[..]);
    expected.extend(instead());
    assert_eq!(contents(&store).await, expected);
}

/// Until there are so many transactions of an attempt.
async fn written(cluster: &Cluster, transactions: u32) {
    let mut neighbour = neighbour(cluster).await;
    let newest = async |client: &mut Client| {
        let answer = client.get("a", None).await.unwrap();
        answer.header().unwrap().revision()
    };
    let start = newest(&mut neighbour).await;
    while newest(&mut neighbour).await < start + i64::from(transactions) {}
}

#[tokio::test]
async fn an_attempt_that_is_overtaken_writes_no_more() {
    let cluster = Cluster::start(1);
    let (_folder, file) = file().await;
    let into = location(&cluster.endpoints());
    let mut neighbour = neighbour(&cluster).await;
    let overtaking = async {
        written(&cluster, 3).await;
        let mark = neighbour.put("/hayrack.importing", "another", None).await;
        range::of_etcd(mark.unwrap().header().unwrap().revision())
    };
    let (overtaken, mark) = tokio::join!(import(&file, into.clone(), instead()), overtaking);
    let error = overtaken.unwrap_err();
    assert!(matches!(error, ImportError::Overtaken(_)), "{error}");
    let newest = neighbour.get("a", None).await.unwrap();
    let newest = range::of_etcd(newest.header().unwrap().revision());
    assert_eq!(newest, mark, "it went on");
    let refused = EtcdStore::open(into).await.unwrap_err();
    assert!(matches!(refused, OpenEtcdError::InPart(_)), "{refused}");
}

#[tokio::test]
async fn what_is_no_store_is_not_brought_anywhere() {
    let cluster = Cluster::start(1);
    let folder = tempfile::tempdir().unwrap();
    let into = location(&cluster.endpoints());
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "no database at all, ".repeat(100)).unwrap();
    let refused = import(&notes, into.clone(), instead()).await.unwrap_err();
    assert!(
        matches!(refused, ImportError::File(CopyError::NotAStore(_))),
        "{refused}"
    );
    let store = EtcdStore::open(into).await.unwrap();
    assert!(contents(&store).await.is_empty());
}
