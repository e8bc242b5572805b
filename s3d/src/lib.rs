//! The S3 server: each bucket on a volume of its own.

pub mod admin;
pub mod config;
pub mod listener;
pub mod maintenance;
pub mod quickstart;
pub mod serve;
pub mod state_folder;
