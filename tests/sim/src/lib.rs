//! Deterministic simulation: a seed decides everything, and a failing one is a command line.

pub mod bucket;
pub mod core_volume;
pub mod device;
