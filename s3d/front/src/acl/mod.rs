//! Access control lists: what requests ask for, what answers show, and who may do what.

mod asked;
mod canned;
mod document;
mod error;
mod evaluate;
mod new_object;
mod requested;

#[cfg(test)]
mod tests;

pub use asked::Asked;
pub use document::{grants_of, owner, read as read_document};
pub use error::AclError;
pub use evaluate::{
    Requester, acls_are_enabled, allows, bucket_allows, is_blocked, makes_public, object_owner,
};
pub use new_object::{Belonging, of_new_object};
pub use requested::{NamedGrantee, Requested, RequestedGrant, read as read_headers};
