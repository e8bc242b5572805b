//! Objects that are kept on this machine's disk after they were read: how a file holds the chunks of an
//! object's version, and which versions have to go when there is no room.

mod kept;
mod version;

pub use kept::Kept;
pub use version::{Name, Version, is_entry_of, missing};
