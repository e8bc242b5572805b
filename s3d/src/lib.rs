//! The S3 server: each bucket on a volume of its own.

pub mod accounts;
pub mod api;
pub mod buckets;
mod clock;
pub mod config;
pub mod listener;
pub mod quickstart;
mod random;
mod records;
pub mod s3;
pub mod serve;
pub mod state_folder;
