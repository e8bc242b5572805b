//! The commands: they talk to the daemon, and print what it answers.

mod answer;
mod attach;
mod cluster;
mod disk;
mod doctor;
mod error;
mod export;
mod meta;
mod node;
mod progress;
mod scrub;
mod table;
mod verify;
mod volume;

pub use cluster::cluster;
pub use disk::disk;
pub use doctor::doctor;
pub use error::CommandError;
pub use meta::meta;
pub use node::node;
pub use scrub::scrub;
pub use volume::{pool, volume};
