//! A bucket on a block device: index, log, blobs, multipart, listing.
//!
//! The log is the truth; the index is its checkpoint. A change is planned, written with one durable
//! write together with others that waited, and only then visible and answered (B2). In the
//! background its rows are folded from memory into a redb database on the same volume (B3).
//! Where each rule is kept is said in `s3d/ARCHITECTURE.md`.

mod acl;
mod attributes;
mod blob;
mod bucket;
mod check;
mod commit;
mod condition;
mod errors;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod index_thread;
mod log;
mod object;
mod offload;
mod requests;
pub mod rules;
mod shared;
mod space;
mod totals;

pub use acl::{Acl, Grant, Grantee, Permission};
pub use attributes::*;
pub use blob::reader::BlobReader;
pub use blob::transfers::TransferMemory;
pub use blob::writer::BodyWriter;
pub use bucket::{Bucket, Devices, Found, Options};
pub use check::{CheckReport, Problem, RebuildReport, check, damage, rebuild};
pub use condition::{Condition, EtagMatch, Precondition, Unmet};
pub use errors::*;
pub use format::superblock::BucketId;
pub use index::feed::{ChangePage, ChangesError, Event, EventKind, FeedRetention};
pub use object::*;
pub use offload::Offload;
pub use requests::*;
pub use shared::Clock;
pub use totals::Totals;

/// Bytes of a span under one checksum.
pub const CHECKED_RUN: u64 = 64 * 1024;
