//! The log: groups in segments, written one after the other, and read back at open (B2, B4).

pub mod position;
pub mod replay;
pub mod writer;
