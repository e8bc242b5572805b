//! Several s3ds on one store and the same volumes, with real TLS between them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod ask;
mod copying;
mod everywhere;
mod forwarding;
mod moving;
mod rig;
mod way;
