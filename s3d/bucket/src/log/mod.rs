//! The log: groups in segments, written one after the other, and read back at open (B2, B4).

pub mod position;
pub mod replay;
pub mod writer;

/// Most groups on their way to the volume at once. A replay writes as many again (B4).
pub const MAX_GROUPS: usize = 2;
