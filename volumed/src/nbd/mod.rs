//! NBD for this node: a unix socket, and a loop per connection.

mod connection;
mod exports;
mod handshake;
mod listener;
mod outbox;
mod volumes;

pub use listener::Listener;

#[cfg(test)]
mod tests;
