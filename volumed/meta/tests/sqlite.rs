//! What is particular to SQLite.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;
use std::sync::Arc;

use volumed_meta::{Change, Compare, MetaStore, OpenFileError, Outcome, SqliteStore, StoreError};

fn store(folder: &Path) -> Arc<dyn MetaStore> {
    Arc::new(SqliteStore::open(folder.join("meta.db")).unwrap())
}

/// A process that is killed between writing a commit and its sync leaves one that is seen and not
/// durable. Every commit syncs all of the log, so the one that opening makes covers it.
#[tokio::test]
async fn what_a_killed_process_committed_is_durable_once_the_store_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let killed = tempfile::tempdir().unwrap();
    let log = killed.path().join("meta.db-wal");
    let running = store(folder.path());
    let put = vec![Change::Put(b"a".to_vec(), b"1".to_vec())];
    running.transact(vec![], put).await.unwrap();
    for file in ["meta.db", "meta.db-wal"] {
        std::fs::copy(folder.path().join(file), killed.path().join(file)).unwrap();
    }
    let before = log.metadata().unwrap().len();
    let again = store(killed.path());
    assert!(log.metadata().unwrap().len() > before, "no commit was made");
    assert_eq!(again.revision().await.unwrap(), 1, "a revision was taken");
    assert_eq!(again.get(b"a").await.unwrap().unwrap().value, b"1");
}

#[tokio::test]
async fn a_watcher_too_far_behind_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for number in 0..3_000_u32 {
        let put = Change::Put(b"key".to_vec(), number.to_be_bytes().to_vec());
        store.transact(vec![], vec![put]).await.unwrap();
    }
    let refused = store.watch(b"", 1).await.unwrap_err();
    assert!(matches!(refused, StoreError::Compacted(1)), "{refused}");
    let mut events = store.watch(b"", 2_990).await.unwrap();
    assert_eq!(events.recv().await.unwrap().revision, 2_991);
}

#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("meta.db")).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    drop(store);
}

#[test]
fn a_newer_format_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.db");
    drop(SqliteStore::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(refused, OpenFileError::Newer { found: 2, .. }));
    assert!(refused.to_string().contains("run the newer program"));
}

#[test]
fn other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "no database at all, but long enough to look at\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(refused, OpenFileError::NotAStore(_)), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(other);
    let refused = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(refused, OpenFileError::NotAStore(_)), "{refused}");
}

#[test]
fn leases_do_not_outlive_a_boot() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let first = store(folder.path());
        let lease = first.grant_lease(3_600).await.unwrap();
        let put = Change::PutLeased(b"head".to_vec(), b"me".to_vec(), lease);
        first.transact(vec![], vec![put]).await.unwrap();
        drop(first);
        assert!(store(folder.path()).get(b"head").await.unwrap().is_some());

        let connection = rusqlite::Connection::open(folder.path().join("meta.db")).unwrap();
        connection
            .execute("UPDATE store SET boot = 'earlier'", [])
            .unwrap();
        drop(connection);
        let after = store(folder.path());
        assert!(after.get(b"head").await.unwrap().is_none());
        assert!(matches!(
            after.renew_lease(lease).await,
            Err(StoreError::LeaseEnded)
        ));
        let absent = vec![Compare::Absent(b"head".to_vec())];
        let taken = after
            .transact(absent, vec![Change::Put(b"head".to_vec(), vec![])])
            .await;
        assert_eq!(taken.unwrap(), Outcome::Committed(3));
    });
}
