//! Transactions in etcd's terms.

use etcd_client::{Compare as Condition, CompareOp, DeleteOptions, PutOptions, Txn, TxnOp};

use super::keys::Keys;
use crate::transaction::{Change, Compare, LeaseId, Revision};

pub fn of(keys: &Keys, compares: &[Compare], changes: &[Change]) -> Txn {
    let conditions: Vec<_> = compares.iter().map(|one| condition(keys, one)).collect();
    let operations: Vec<_> = changes.iter().map(|one| operation(keys, one)).collect();
    Txn::new().when(conditions).and_then(operations)
}

/// A key that is not there counts as created and modified at revision 0.
pub fn condition(keys: &Keys, compare: &Compare) -> Condition {
    match compare {
        Compare::Absent(key) => absent(keys.in_etcd(key)),
        Compare::Present(key) => {
            Condition::create_revision(keys.in_etcd(key), CompareOp::Greater, 0)
        }
        Compare::Unchanged(key, revision) => unchanged(keys.in_etcd(key), *revision),
    }
}

/// That there is no such key of etcd's.
pub fn absent(key: Vec<u8>) -> Condition {
    Condition::create_revision(key, CompareOp::Equal, 0)
}

/// That a key of etcd's is there and was last written by a revision.
pub fn unchanged(key: Vec<u8>, revision: Revision) -> Condition {
    match i64::try_from(revision) {
        Ok(revision @ 1..) => Condition::mod_revision(key, CompareOp::Equal, revision),
        // No key was written by these, and that does not hold for an absent one either.
        _ => Condition::mod_revision(key, CompareOp::Less, 0),
    }
}

fn operation(keys: &Keys, change: &Change) -> TxnOp {
    match change {
        Change::Put(key, value) => TxnOp::put(keys.in_etcd(key), value.clone(), None),
        Change::PutLeased(key, value, lease) => {
            let options = PutOptions::new().with_lease(lease_in_etcd(*lease));
            TxnOp::put(keys.in_etcd(key), value.clone(), Some(options))
        }
        Change::Delete(key) => TxnOp::delete(keys.in_etcd(key), None),
        Change::DeletePrefix(prefix) => delete_all(keys, prefix),
    }
}

/// Deletes every key that starts with the prefix.
pub fn delete_all(keys: &Keys, prefix: &[u8]) -> TxnOp {
    let options = DeleteOptions::new().with_range(keys.end_of(prefix));
    TxnOp::delete(keys.in_etcd(prefix), Some(options))
}

/// etcd's leases are above 0, which means none. A number that is no lease becomes one that is never
/// granted.
pub fn lease_in_etcd(lease: LeaseId) -> i64 {
    let lease = i64::try_from(lease.0).ok();
    lease.filter(|lease| *lease > 0).unwrap_or(i64::MAX)
}
