//! CopyObject and UploadPartCopy.

mod object;
mod part;
mod source;
mod transfer;

pub use source::CopyError;
