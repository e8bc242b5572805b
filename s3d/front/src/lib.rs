//! The S3 front: from HTTP to buckets and back.
//!
//! s3s knows S3's operations, documents and signatures. What it only parses is done here:
//! conditions, checksums, ACLs, limits, aws-chunked bodies, and saying no to what is not built.

mod access;
mod acl;
mod attributes;
mod bucket_acl;
mod bucket_cors;
mod bucket_tagging;
mod buckets;
mod built;
mod checksum;
mod chunk_signer;
mod chunked;
mod completion;
mod conditions;
mod copy;
mod document;
mod error;
mod front;
mod hashing;
mod host;
mod ingest;
mod listing;
mod md5;
mod multipart;
mod new_object;
mod object_acl;
mod object_attributes;
mod object_tagging;
mod odd_region;
mod operations;
mod ownership;
mod payload;
mod query;
mod range;
mod reading;
mod signed;
mod tags;
mod token;
mod unset;
mod versions;
mod writing;

#[cfg(test)]
mod tests;

pub use front::Front;
