//! The commands: they talk to the daemon, and print what it answers.

mod answer;
mod attach;
mod disk;
mod doctor;
mod error;
mod export;
mod meta;
mod scrub;
mod table;
mod volume;

pub use disk::disk;
pub use doctor::doctor;
pub use error::CommandError;
pub use meta::meta;
pub use scrub::scrub;
pub use volume::{pool, volume};
