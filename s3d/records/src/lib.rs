//! What s3d keeps in the metadata store: JSON records under keys that start with `s3d/`.
//!
//! | key | record |
//! |---|---|
//! | `s3d/user/<user>` | a user |
//! | `s3d/email/<email>` | the user who has it |
//! | `s3d/sign-in-code/<user>`, `s3d/reset-code/<user>`, `s3d/verify-code/<user>` | the hash of a code that is good for once |
//! | `s3d/session/<user>/<session>` | where a user is signed in |
//! | `s3d/namespace/<namespace>` | a namespace |
//! | `s3d/member/<user>/<namespace>` | the role of a user in a namespace |
//! | `s3d/key/<access key id>` | a key, its secret sealed |
//! | `s3d/key-of/<namespace>/<access key id>` | empty: the keys of a namespace |
//! | `s3d/bucket/<bucket>` | a bucket |
//! | `s3d/bucket-of/<namespace>/<bucket>` | empty: the buckets of a namespace |
//! | `s3d/bucket-in/<volume>` | the bucket that a volume holds |
//! | `s3d/unsettled/<bucket>` | a bucket that is being made or deleted, by the node of this number if there are several |
//! | `s3d/nodes/<number>` | a node's s3d, for as long as it lives |
//! | `s3d/usage/…` | what buckets, namespaces and the pool held over time, see `s3d/usage` |
//! | `s3d/draining/<number>` | empty: a node's s3d that shall give its buckets up |
//!
//! Names hold no `/`. Each record says its format, and a newer one is refused.

mod cache;

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use volumed_meta::{Change, Compare, Entry, LeaseId, MetaStore, Outcome, Revision, StoreError};

pub use cache::Cache;

const FORMAT: u32 = 1;

/// Entries that are read from the store at a time.
const PAGE: usize = 1_000;

/// Why records could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The store did not answer; whether a change was made is unknown.
    #[error("{0}")]
    Unavailable(String),
    /// A record is not what this program writes.
    #[error("the record {0} in the metadata store is damaged")]
    Damaged(String),
    /// A newer program wrote the record.
    #[error("the record {key} has format {format}, newer than this program; run the newer one")]
    Newer {
        /// The record's key.
        key: String,
        /// The record's format.
        format: u32,
    },
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// A record as it was read.
#[derive(Debug, Clone)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    /// The revision that wrote it.
    pub revision: Revision,
}

/// The records.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn MetaStore>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<R> {
    format: u32,
    record: R,
}

impl Records {
    /// The records in a store.
    pub fn new(store: Arc<dyn MetaStore>) -> Self {
        Self { store }
    }

    /// The record under a key.
    pub async fn get<R: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<Stored<R>>, RecordError> {
        let entry = self.store.get(key.as_bytes()).await?;
        entry.as_ref().map(decode).transpose()
    }

    /// Every record whose key starts with the prefix, by what follows the prefix.
    pub async fn list<R: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Stored<R>)>, RecordError> {
        let mut entries = Vec::new();
        let keep = |rest, stored| entries.push((rest, stored));
        self.each(prefix, keep).await?;
        Ok(entries)
    }

    /// Shows every record whose key starts with the prefix, with what follows the prefix. Only a page of them is in
    /// memory at a time.
    pub async fn each<R: DeserializeOwned>(
        &self,
        prefix: &str,
        mut see: impl FnMut(String, Stored<R>),
    ) -> Result<(), RecordError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.page::<R>(prefix, after.as_deref(), PAGE).await?;
            after = page.last().map(|(rest, _)| rest.clone());
            let is_last = page.len() < PAGE;
            for (rest, stored) in page {
                see(rest, stored);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// At most `limit` records whose key starts with the prefix, by what follows the prefix: those behind `after`.
    pub async fn page<R: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Stored<R>)>, RecordError> {
        let after = after.map(|rest| format!("{prefix}{rest}").into_bytes());
        let (_, entries) = self
            .store
            .range(prefix.as_bytes(), after.as_deref(), limit)
            .await?;
        let entries = entries.iter().map(|entry| {
            let rest = text(&entry.key)[prefix.len()..].to_owned();
            Ok((rest, decode(entry)?))
        });
        entries.collect()
    }

    /// Makes all the changes if every condition holds; answers whether they did.
    pub async fn commit(
        &self,
        conditions: Vec<Compare>,
        changes: Vec<Change>,
    ) -> Result<bool, RecordError> {
        Ok(match self.store.transact(conditions, changes).await? {
            Outcome::Committed(_) => true,
            Outcome::Refused => false,
        })
    }

    /// Whether the store answers.
    pub async fn check(&self) -> Result<(), RecordError> {
        self.store.revision().await?;
        Ok(())
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Records").finish_non_exhaustive()
    }
}

/// The change that writes a record.
pub fn put<R: Serialize>(key: impl Into<Vec<u8>>, record: &R) -> Change {
    Change::Put(key.into(), encode(record))
}

/// The change that writes a record which is there until a lease ends.
pub fn put_leased<R: Serialize>(key: impl Into<Vec<u8>>, record: &R, lease: LeaseId) -> Change {
    Change::PutLeased(key.into(), encode(record), lease)
}

fn encode<R: Serialize>(record: &R) -> Vec<u8> {
    let envelope = Envelope {
        format: FORMAT,
        record,
    };
    serde_json::to_vec(&envelope).expect("records are plain structs")
}

/// The change that removes a record.
pub fn delete(key: impl Into<Vec<u8>>) -> Change {
    Change::Delete(key.into())
}

/// Holds if there is no record under the key.
pub fn absent(key: impl Into<Vec<u8>>) -> Compare {
    Compare::Absent(key.into())
}

/// Holds if there is a record under the key.
pub fn present(key: impl Into<Vec<u8>>) -> Compare {
    Compare::Present(key.into())
}

/// Holds if the record under the key is the one that was read.
pub fn unchanged<R>(key: impl Into<Vec<u8>>, stored: &Stored<R>) -> Compare {
    Compare::Unchanged(key.into(), stored.revision)
}

fn decode<R: DeserializeOwned>(entry: &Entry) -> Result<Stored<R>, RecordError> {
    let damaged = || RecordError::Damaged(text(&entry.key));
    let raw: Envelope<&serde_json::value::RawValue> =
        serde_json::from_slice(&entry.value).map_err(|_| damaged())?;
    if raw.format > FORMAT {
        return Err(RecordError::Newer {
            key: text(&entry.key),
            format: raw.format,
        });
    }
    Ok(Stored {
        record: serde_json::from_str(raw.record.get()).map_err(|_| damaged())?,
        revision: entry.modified,
    })
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> Entry {
        Entry {
            key: b"s3d/x".to_vec(),
            value: value.as_bytes().to_vec(),
            created: 1,
            modified: 2,
        }
    }

    #[test]
    fn what_was_put_is_read() {
        let Change::Put(_, value) = put("s3d/x", &vec![1, 2]) else {
            panic!("a put")
        };
        let read: Stored<Vec<u8>> = decode(&entry(std::str::from_utf8(&value).unwrap())).unwrap();
        assert_eq!((read.record, read.revision), (vec![1, 2], 2));
    }

    #[test]
    fn a_newer_record_is_refused_whatever_it_holds() {
        let newer = decode::<u8>(&entry(r#"{"format":2,"record":{"a":[]}}"#)).unwrap_err();
        assert!(matches!(newer, RecordError::Newer { format: 2, .. }));
        assert!(newer.to_string().contains("s3d/x"));
    }

    #[test]
    fn damage_is_named() {
        for value in ["", "{}", r#"{"format":1,"record":"x"}"#, "\u{0}"] {
            let damaged = decode::<u8>(&entry(value)).unwrap_err();
            assert_eq!(damaged, RecordError::Damaged("s3d/x".into()));
        }
    }
}
