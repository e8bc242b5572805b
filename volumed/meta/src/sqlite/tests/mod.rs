mod conforms;

use std::time::Duration;

use super::*;

/// A batch of a write, a read and a lease, and where their answers come.
#[allow(clippy::type_complexity)]
fn batch() -> (
    Vec<Request>,
    oneshot::Receiver<Result<Outcome, StoreError>>,
    oneshot::Receiver<Result<Option<Entry>, StoreError>>,
    oneshot::Receiver<Result<LeaseId, StoreError>>,
) {
    let (transacted, outcome) = oneshot::channel();
    let (read, entry) = oneshot::channel();
    let (granted, lease) = oneshot::channel();
    let requests = vec![
        Request::Write(Write::Transact {
            compares: vec![],
            changes: vec![Change::Put(b"a".to_vec(), b"1".to_vec())],
            answer: transacted,
        }),
        Request::Read(Read::Get {
            key: b"a".to_vec(),
            answer: read,
        }),
        Request::Write(Write::GrantLease {
            seconds: 60,
            answer: granted,
        }),
    ];
    (requests, outcome, entry, lease)
}

#[test]
fn a_batch_that_cannot_begin_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("meta.db");
    let mut connection = schema::open(&path).unwrap();
    connection.busy_timeout(Duration::ZERO).unwrap();
    let other = schema::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (requests, outcome, entry, lease) = batch();
    batch::run(&mut connection, requests, 10);
    assert!(matches!(
        outcome.blocking_recv(),
        Ok(Err(StoreError::Unavailable(_)))
    ));
    assert!(matches!(
        entry.blocking_recv(),
        Ok(Err(StoreError::Unavailable(_)))
    ));
    assert!(matches!(
        lease.blocking_recv(),
        Ok(Err(StoreError::Unavailable(_)))
    ));

    other.execute_batch("ROLLBACK").unwrap();
    let (requests, outcome, entry, lease) = batch();
    batch::run(&mut connection, requests, 10);
    assert!(matches!(
        outcome.blocking_recv(),
        Ok(Ok(Outcome::Committed(1)))
    ));
    // A read sees what came before it in its batch, and is answered once that is durable.
    assert!(matches!(
        entry.blocking_recv(),
        Ok(Ok(Some(Entry { modified: 1, .. })))
    ));
    assert!(lease.blocking_recv().unwrap().is_ok());
}

#[test]
fn a_batch_that_breaks_in_the_middle_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = schema::open(&folder.path().join("meta.db")).unwrap();
    // As a full disk does: the first write succeeds, and the last fails.
    connection
        .execute_batch("ALTER TABLE leases RENAME TO elsewhere")
        .unwrap();
    connection
        .execute_batch("CREATE VIEW leases AS SELECT * FROM elsewhere")
        .unwrap();
    let (requests, outcome, entry, lease) = batch();
    batch::run(&mut connection, requests, 10);
    assert!(matches!(
        outcome.blocking_recv(),
        Ok(Err(StoreError::Unavailable(_)))
    ));
    assert!(matches!(
        entry.blocking_recv(),
        Ok(Err(StoreError::Unavailable(_)))
    ));
    assert!(matches!(
        lease.blocking_recv(),
        Ok(Err(StoreError::Unavailable(_)))
    ));
    assert_eq!(apply::get(&connection, b"a").unwrap(), None);
    assert_eq!(apply::revision(&connection).unwrap(), 0);
}
