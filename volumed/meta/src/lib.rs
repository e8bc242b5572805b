//! The metadata store: what etcd offers, behind one trait.
//!
//! Keys are ordered byte strings. Every change of the store takes the next *revision*, a number
//! that only grows; a transaction compares and then puts or deletes, all under one revision.

#[cfg(test)]
mod conformance;
mod copy;
mod etcd;
mod failure;
mod limits;
mod location;
mod open;
mod sqlite;
mod store;
mod transaction;

pub use copy::{Copied, CopyError};
pub use etcd::{
    EtcdStore, EtcdTlsError, ImportError, Imported, MEMBER_ARGUMENTS, OpenEtcdError, import,
};
pub use failure::StoreError;
pub use limits::{InvalidTransaction, MAX_OPERATIONS, MAX_TRANSACTION_BYTES};
pub use location::{EtcdLocation, Finder, Location, LocationError, TlsFiles};
pub use open::{OpenError, open};
pub use sqlite::{
    OpenFileError, ReplaceError, SqliteStore, copy_file, put_away, refuse_if_open, replace,
};
pub use store::{Entry, Event, MetaStore};
pub use transaction::{Change, Compare, LeaseId, Outcome, Revision};
