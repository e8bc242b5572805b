//! The pure core of the mount: what files and directories a bucket's keys make, what a file's staged
//! writes amount to, and what has to be fetched or uploaded. It does no I/O and reads no clock: what
//! the server answered and what time it is arrive as arguments, and what to do next is returned.

pub mod attributes;
pub mod cache;
pub mod entries;
pub mod journal;
pub mod names;
pub mod prefetch;
pub mod ranges;
pub mod stage;
pub mod succession;
pub mod tree;
pub mod upload;
