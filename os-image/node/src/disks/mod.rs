//! The disks that this node gives to the pool.
//!
//! A disk is taken when nothing is on it, or when it is this node's already; what holds anything else is left alone
//! unless the rack's settings name it. Every step finds out anew how far the one before came, so that a power cut at
//! any moment is made good by another start.

mod choice;
mod content;
mod disk;
mod file_system;
mod format;
mod intent;
mod mounting;

pub use mounting::{Mounted, TakeError, take};
