//! The space of the volume: handed out once, and given back (B7, B8).

pub mod allocator;
pub mod by_offset;
pub mod compactor;
pub mod gaps;
pub mod pins;
pub mod release;
pub mod reserve;
pub mod sweep;
pub mod trimmer;
