//! Serves exports over NBD: a unix socket for this node, TCP for others, and a loop per connection. What
//! an export is, [`Exports`] says; the protocol itself is `volumed-nbd`.

mod budget;
mod busy_poll;
mod connection;
mod exports;
mod handshake;
mod listener;
mod metrics;
mod outbox;
mod tls;

pub use exports::{Answer, Export, Exports, Refused};
pub use listener::{Limits, Listener, Sockets};
pub use metrics::Metrics;
pub use tls::{Tls, TlsError, TlsFiles};

#[cfg(test)]
mod tests;
