//! The S3 server: each bucket on a volume of its own.

pub mod accounts;
pub mod api;
pub mod buckets;
mod clock;
mod random;
mod records;
pub mod s3;
