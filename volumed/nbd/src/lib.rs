//! The NBD protocol (fixed newstyle) without input and output: bytes in, events and bytes out.
//!
//! [`server`] and [`client`] each hold two state machines, a `Handshake` that becomes the machine
//! of the transmission phase. A shell reads from its socket into `input()`, asks for what came
//! until there is nothing more, and writes what it is given.
//!
//! Source: `doc/proto.md` of the NetworkBlockDevice project.

pub mod client;
mod error;
mod limits;
mod room;
pub mod server;
mod wire;

pub use error::{Failure, NbdError, Violation};
pub use limits::{MAX_PAYLOAD, MINIMUM_BLOCK, PREFERRED_BLOCK};
