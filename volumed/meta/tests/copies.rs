//! Copies of a SQLite store, and another one in its place.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use volumed_meta::{Change, CopyError, MetaStore, ReplaceError, SqliteStore, copy_file, replace};

async fn put(store: &SqliteStore, key: &str, value: Vec<u8>) {
    let change = Change::Put(key.into(), value);
    store.transact(vec![], vec![change]).await.unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_log_of_a_store_that_was_there_is_not_the_copys() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("meta.db"), folder.path().join("copy.db"));
    put(&SqliteStore::open(&from).unwrap(), "from", vec![1]).await;
    let there = SqliteStore::open(&to).unwrap();
    put(&there, "there", vec![2]).await;
    // As a process leaves it that is killed.
    let log = folder.path().join("copy.db-wal");
    let left = std::fs::read(&log).unwrap();
    drop(there);
    std::fs::write(&log, left).unwrap();
    copy_file(&from, &to, |_, _| {}).unwrap();
    let copy = SqliteStore::open(&to).unwrap();
    assert!(copy.get(b"from").await.unwrap().is_some());
    assert!(copy.get(b"there").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_one_moment_of_a_store_that_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("meta.db")).unwrap());
    // Several steps long.
    for number in 0..64 {
        put(&store, &format!("filler/{number}"), vec![7; 64 << 10]).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, stopped) = (Arc::clone(&store), Arc::clone(&stop));
    let writing = tokio::spawn(async move {
        let mut number = 0_u64;
        while !stopped.load(Ordering::Relaxed) {
            number += 1;
            let both = ["left", "right"]
                .map(|key| Change::Put(key.into(), number.to_string().into_bytes()));
            writer.transact(vec![], both.into()).await.unwrap();
        }
    });
    let mut steps = 0;
    let to = folder.path().join("copy.db");
    let from = folder.path().join("meta.db");
    let copying = tokio::task::spawn_blocking(move || {
        let copied = copy_file(&from, &to, |_, _| steps += 1).unwrap();
        (copied, steps, to)
    });
    let (copied, steps, to) = copying.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    assert!(steps > 1);
    let mode = to.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let copy = SqliteStore::open(&to).unwrap();
    assert_eq!(copy.revision().await.unwrap(), copied.revision);
    assert!(copied.revision <= store.revision().await.unwrap());
    let value = async |key: &[u8]| copy.get(key).await.unwrap().map(|entry| entry.value);
    assert_eq!(value(b"left").await, value(b"right").await);
}

#[tokio::test]
async fn what_cannot_be_copied_is_said_and_leaves_the_last_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = SqliteStore::open(path("meta.db")).unwrap();
    for number in 0..100 {
        put(&store, &format!("key/{number}"), vec![7; 5_000]).await;
    }
    drop(store);
    copy_file(&path("meta.db"), &path("copy.db"), |_, _| {}).unwrap();
    let before = std::fs::read(path("copy.db")).unwrap();

    let mut damaged = before.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 65_536].fill(0xff);
    std::fs::write(path("damaged.db"), &damaged).unwrap();
    let refused = copy_file(&path("damaged.db"), &path("copy.db"), |_, _| {}).unwrap_err();
    assert!(matches!(refused, CopyError::Damaged { .. }), "{refused}");

    std::fs::write(path("notes.txt"), "no database, ".repeat(100)).unwrap();
    let refused = copy_file(&path("notes.txt"), &path("copy.db"), |_, _| {}).unwrap_err();
    assert!(matches!(refused, CopyError::NotAStore(_)), "{refused}");
    let other = rusqlite::Connection::open(path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    let refused = copy_file(&path("other.db"), &path("copy.db"), |_, _| {}).unwrap_err();
    assert!(matches!(refused, CopyError::NotAStore(_)), "{refused}");
    let refused = copy_file(&path("nothing.db"), &path("copy.db"), |_, _| {}).unwrap_err();
    assert!(matches!(refused, CopyError::Sqlite { .. }), "{refused}");
    let refused = copy_file(&path("meta.db"), &path("no/copy.db"), |_, _| {}).unwrap_err();
    assert!(matches!(refused, CopyError::Write { .. }), "{refused}");

    assert_eq!(std::fs::read(path("copy.db")).unwrap(), before);
    assert!(
        !names(folder.path())
            .iter()
            .any(|name| name.contains(".new"))
    );
}

#[tokio::test]
async fn a_store_is_replaced_only_when_nobody_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = SqliteStore::open(path("meta.db")).unwrap();
    put(&store, "a", b"old".to_vec()).await;
    copy_file(&path("meta.db"), &path("new.db"), |_, _| {}).unwrap();
    put(&store, "a", b"newer".to_vec()).await;
    let refused = replace(&path("meta.db"), &path("new.db"), &path("kept.db")).unwrap_err();
    assert!(matches!(refused, ReplaceError::InUse(_)), "{refused}");
    put(&store, "b", vec![]).await;
    drop(store);

    replace(&path("meta.db"), &path("new.db"), &path("kept.db")).unwrap();
    assert_eq!(names(folder.path()), ["kept.db", "meta.db"]);
    let value = async |name: &str| {
        let store = SqliteStore::open(path(name)).unwrap();
        store.get(b"a").await.unwrap().unwrap().value
    };
    assert_eq!(value("meta.db").await, b"old");
    assert_eq!(value("kept.db").await, b"newer");
}

#[tokio::test]
async fn the_log_of_a_store_that_is_gone_is_not_the_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = SqliteStore::open(path("meta.db")).unwrap();
    put(&store, "a", b"old".to_vec()).await;
    copy_file(&path("meta.db"), &path("new.db"), |_, _| {}).unwrap();
    put(&store, "a", b"newer".to_vec()).await;
    let log = std::fs::read(path("meta.db-wal")).unwrap();
    drop(store);
    std::fs::remove_file(path("meta.db")).unwrap();
    std::fs::write(path("meta.db-wal"), log).unwrap();

    replace(&path("meta.db"), &path("new.db"), &path("kept.db")).unwrap();
    assert_eq!(names(folder.path()), ["kept.db-wal", "meta.db"]);
    let store = SqliteStore::open(path("meta.db")).unwrap();
    assert_eq!(store.get(b"a").await.unwrap().unwrap().value, b"old");
}

#[tokio::test]
async fn a_damaged_store_is_replaced_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    drop(SqliteStore::open(path("new.db")).unwrap());
    let rotten = "rotten ".repeat(2_000);
    std::fs::write(path("meta.db"), &rotten).unwrap();
    replace(&path("meta.db"), &path("new.db"), &path("kept.db")).unwrap();
    let kept = std::fs::read_to_string(path("kept.db")).unwrap();
    assert_eq!(kept, rotten);
    SqliteStore::open(path("meta.db")).unwrap();
}
