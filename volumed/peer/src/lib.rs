//! Links between nodes: they carry what the heads of one node say to the replicas of another
//! ([`volumed_core::wire`]), and the answers.
//!
//! A link is one connection that the heads' node dials and keeps up ([`Peers`]) and the replicas' node
//! accepts ([`Listener`]); two nodes that each have both hold two. Messages arrive in the order in which they
//! were sent, answers in any. When a link ends, whoever sent is told what has no answer, once, before anything
//! goes out on the next one ([`Heads::lost`]); and nothing of an ended link arrives behind what came over
//! the next ([`Host::message`]).

mod dial;
mod error;
mod frames;
mod hello;
mod host;
mod ids;
mod link;
mod listener;
mod peers;
mod pulse;
mod seats;
mod security;
mod serve;
mod settings;
mod weight;
mod writer;

pub use error::LinkError;
pub use hello::{HELLO_HEAD, Hello, HelloError, MOST_HELLO, VERSIONS};
pub use host::{Host, LinkId, ReplyTo};
pub use ids::{ClusterId, NodeId};
pub use link::{SendError, Sent};
pub use listener::Listener;
pub use peers::{Heads, LinkStatus, Peers};
pub use security::{Security, Tls};
pub use settings::{Identity, Limits, Settings, Times};
