//! A bucket on a block device: index, log, blobs, multipart, listing.
//!
//! The log is the truth; the index is its checkpoint. A change is judged, written with one durable
//! write together with others that waited, and only then visible and answered (B2). In the
//! background its rows are folded from memory into a redb database on the same volume (B3).
//! Where each rule is kept is said in `s3d/ARCHITECTURE.md`.

mod blob_reader;
mod body;
mod bucket;
mod change;
mod committer;
mod crc;
mod cursor;
mod group;
mod index;
mod index_zone;
mod judge;
mod layout;
mod listing;
mod log;
mod memtable;
mod object;
mod offload;
mod pins;
mod reader;
mod requests;
mod reserve;
mod row_cache;
mod rows;
mod shared;
mod space;
mod superblock;
mod sweep;
mod trimmer;

pub use blob_reader::BlobReader;
pub use body::BodyWriter;
pub use bucket::{Bucket, Devices, Found, Options};
pub use object::*;
pub use offload::Offload;
pub use requests::*;
pub use shared::Clock;
pub use superblock::BucketId;

/// Bytes of a span under one checksum.
pub const CHECKED_RUN: u64 = 64 * 1024;
