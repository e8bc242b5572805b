//! RenameObject, for every bucket. s3s does not know it: it comes in by a route of its own.

mod object;
mod route;
mod source;
mod token;

pub use route::RenameRoute;
pub use source::RenameError;
