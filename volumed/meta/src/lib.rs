//! The metadata store: what etcd offers, behind one trait.
//!
//! Keys are ordered byte strings. Every change of the store takes the next *revision*, a number
//! that only grows; a transaction compares and then puts or deletes, all under one revision.

mod sqlite;
mod store;

pub use sqlite::{OpenError, SqliteStore};
pub use store::{Change, Compare, Entry, Event, LeaseId, MetaStore, Outcome, Revision, StoreError};
