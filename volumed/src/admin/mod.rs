//! The admin API: HTTP and JSON on an owner-only unix socket.

mod api;
mod metrics;
mod openapi;
mod refused;
mod views;

pub use api::serve;
