//! RenameObject, for every bucket, and the rename of a prefix, which S3 does not have. s3s knows
//! neither: they come in by a route of their own.

mod object;
mod prefix;
mod route;
mod source;
mod token;

pub use route::RenameRoute;
pub use source::RenameError;
