//! The S3 server: each bucket on a volume of its own.

pub mod admin;
pub mod config;
pub mod doctor;
pub mod drain;
mod health;
mod http_client;
pub mod listener;
pub mod maintenance;
mod member;
mod metrics;
pub mod place;
pub mod quickstart;
mod secret_sharing;
pub mod serve;
pub mod workers;
