//! The client's side: [`Handshake`], then [`encode`] for requests and [`Replies`].
//!
//! It uses simple replies: they are shorter than structured ones, and the servers it is meant for
//! answer a READ in one piece anyway.

mod handshake;
mod replies;
mod request;

pub use handshake::{Established, Handshake, Refused, Step};
pub use replies::{Answer, Replies};
pub use request::{REQUEST_LENGTH, Request, encode};
