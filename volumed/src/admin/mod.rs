//! The admin API: HTTP and JSON on an owner-only unix socket.

mod api;
mod disk;
mod openapi;
mod refused;
mod scrub;
mod store;
mod views;

pub use api::{Api, serve, serve_health};
