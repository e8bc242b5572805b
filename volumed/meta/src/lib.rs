//! The metadata store: what etcd offers, behind one trait.
//!
//! Keys are ordered byte strings. Every change of the store takes the next *revision*, a number
//! that only grows; a transaction compares and then puts or deletes, all under one revision.

#[cfg(test)]
mod conformance;
mod copy;
mod etcd;
mod limits;
mod location;
mod open;
mod sqlite;
mod store;

pub use copy::{Copied, CopyError};
pub use etcd::{
    EtcdStore, EtcdTlsError, ImportError, Imported, MEMBER_ARGUMENTS, OpenEtcdError, import,
};
pub use limits::{InvalidTransaction, MAX_OPERATIONS, MAX_TRANSACTION_BYTES};
pub use location::{EtcdLocation, Finder, Location, LocationError, TlsFiles};
pub use open::{OpenError, open};
pub use sqlite::{ReplaceError, SqliteStore, copy_file, put_away, refuse_if_open, replace};
pub use store::{Change, Compare, Entry, Event, LeaseId, MetaStore, Outcome, Revision, StoreError};
