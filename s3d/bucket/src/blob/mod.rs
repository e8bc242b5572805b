//! The bytes of objects and parts, on their way in and out (B1, B6).

pub mod durable;
pub mod pieces;
pub mod reader;
pub mod slices;
pub mod transfers;
pub mod writer;
