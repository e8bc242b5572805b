//! Who the nodes of a cluster are to each other.

mod authority;
mod certificate;
mod id;
mod node;
mod proof;
mod token;
