//! RenameObject, for every bucket, and the rename of a prefix, which S3 does not have. s3s knows
//! neither: they come in by `routes.rs`.

mod object;
mod prefix;
mod source;
mod token;

pub use source::RenameError;
