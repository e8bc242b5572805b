//! Deterministic simulation: a seed decides everything, and a failing one is a command line.

pub mod bucket;
mod bucket_check;
pub mod core_volume;
pub mod device;
