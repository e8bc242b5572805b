//! The mounted bucket, used as applications use a file system.

mod side_by_side;
mod tree;
