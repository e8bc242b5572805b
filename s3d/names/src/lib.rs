//! The names that people give: buckets, namespaces and email addresses, and what each may look like.

mod bucket;
mod email;
mod label;
mod namespace;

pub use bucket::{BucketName, BucketNameError};
pub use email::{Email, EmailError};
pub use namespace::{NamespaceName, NamespaceNameError};
