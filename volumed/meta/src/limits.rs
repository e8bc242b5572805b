//! What a transaction may be: what etcd takes, so that no program learns to do without the limits.

use std::collections::BTreeSet;

use crate::transaction::{Change, Compare};

/// How many conditions a transaction may have, and how many changes.
pub const MAX_OPERATIONS: usize = 128;

/// Bytes that the keys and values of a transaction may have together. (etcd takes requests of
/// 1.5 MiB, its own framing among them.)
pub const MAX_TRANSACTION_BYTES: usize = 1 << 20;

/// Why a transaction is refused by every store, whatever it holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransaction {
    /// Too many conditions or changes.
    #[error("a transaction has up to {MAX_OPERATIONS} conditions and as many changes, not {0}")]
    TooManyOperations(usize),
    /// Too many bytes.
    #[error(
        "the keys and values of a transaction have up to {MAX_TRANSACTION_BYTES} bytes, not {0}"
    )]
    TooLarge(usize),
    /// A key has no byte.
    #[error("a key has at least one byte")]
    EmptyKey,
    /// A key is put, and is put again or deleted by the same transaction.
    #[error("the key {} is changed twice by one transaction", String::from_utf8_lossy(.0))]
    ChangedTwice(Vec<u8>),
}

/// Whether every store takes the transaction.
pub fn check(compares: &[Compare], changes: &[Change]) -> Result<(), InvalidTransaction> {
    let most = compares.len().max(changes.len());
    if most > MAX_OPERATIONS {
        return Err(InvalidTransaction::TooManyOperations(most));
    }
    let bytes = compares.iter().map(|compare| key_of(compare).len());
    let bytes = bytes.chain(changes.iter().map(size_of)).sum();
    if bytes > MAX_TRANSACTION_BYTES {
        return Err(InvalidTransaction::TooLarge(bytes));
    }
    let mut put = BTreeSet::new();
    for compare in compares {
        refuse_empty(key_of(compare))?;
    }
    for change in changes {
        match change {
            Change::Put(key, _) | Change::PutLeased(key, _, _) => {
                refuse_empty(key)?;
                if !put.insert(key.as_slice()) {
                    return Err(InvalidTransaction::ChangedTwice(key.clone()));
                }
            }
            Change::Delete(key) => refuse_empty(key)?,
            Change::DeletePrefix(_) => {}
        }
    }
    for change in changes {
        let deleted = match change {
            Change::Put(..) | Change::PutLeased(..) => None,
            Change::Delete(key) => put.get(key.as_slice()),
            Change::DeletePrefix(prefix) => put
                .range(prefix.as_slice()..)
                .next()
                .filter(|key| key.starts_with(prefix)),
        };
        if let Some(&key) = deleted {
            return Err(InvalidTransaction::ChangedTwice(key.to_vec()));
        }
    }
    Ok(())
}

fn refuse_empty(key: &[u8]) -> Result<(), InvalidTransaction> {
    if key.is_empty() {
        return Err(InvalidTransaction::EmptyKey);
    }
    Ok(())
}

fn key_of(compare: &Compare) -> &[u8] {
    match compare {
        Compare::Absent(key) | Compare::Present(key) | Compare::Unchanged(key, _) => key,
    }
}

fn size_of(change: &Change) -> usize {
    match change {
        Change::Put(key, value) | Change::PutLeased(key, value, _) => key.len() + value.len(),
        Change::Delete(key) | Change::DeletePrefix(key) => key.len(),
    }
}
