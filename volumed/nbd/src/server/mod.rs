//! The server's side: [`Handshake`], then [`Requests`], answered through [`Replies`].

mod handshake;
mod option;
mod replies;
mod requests;

pub use handshake::{Handshake, Refusal, Step};
pub use replies::{Replies, Reply, descriptors};
pub use requests::{Command, Event, Requests};
