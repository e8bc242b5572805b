//! What lies on the volume, byte by byte.

pub mod crc;
pub mod group;
pub mod layout;
pub mod redirect;
pub mod rows;
pub mod superblock;
