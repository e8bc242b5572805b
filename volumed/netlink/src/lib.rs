//! Generic netlink, pure: the messages of the kernel's NBD client (`linux/nbd-netlink.h`).
//!
//! A netlink datagram holds messages, a message holds attributes, and an attribute may hold others;
//! all integers are the machine's own. What the kernel sends has attributes in any order, and newer
//! kernels add some: those that are not known are passed over.

mod attribute;
mod family;
mod message;
pub mod nbd;

pub use attribute::{Attribute, Attributes, Writer};
pub use family::{Family, find_family};
pub use message::{Body, Message, Messages, Request};

/// Bytes that are not what netlink allows: too short, or a length beyond their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel sent a netlink message that cannot be understood")]
pub struct Malformed;
