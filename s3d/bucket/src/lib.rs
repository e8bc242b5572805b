//! A bucket on a block device: index, log, blobs, multipart, listing.

mod object;
mod requests;

pub use object::*;
pub use requests::*;

/// Bytes of a span under one checksum.
pub const CHECKED_RUN: u64 = 64 * 1024;
