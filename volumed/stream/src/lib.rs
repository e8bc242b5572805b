//! Connections that any thread may write to: unix sockets, TCP, and TLS as either side. And who may have
//! how many of them.

mod callers;
mod stream;
mod tls;

pub use callers::{Caller, Callers};
pub use stream::Stream;
