//! s3d on several nodes: who is there, which of them serves a bucket, and the hop to it.
//!
//! A bucket is open on one node, its owner. Any node takes any request: what is for a bucket of another
//! one is sent there as it came (`gate.rs`), and answered there as if it had come there (`listener.rs`).

mod busy;
mod connections;
mod counters;
mod counting;
mod gate;
mod label;
mod lease;
mod listener;
mod moved;
mod node_calls;
mod nodes;
mod objects;
mod orders;
mod owners;
mod placement;
mod presence;
mod rack;
mod reach;
mod repeatable;
mod replay;
mod subject;
mod upkeep;

pub use counters::Counters;
pub use gate::Gate;
pub use label::Service;
pub use listener::{HopServer, Services};
pub use node_calls::{SECRETS, fetch_secrets};
pub use nodes::Nodes;
pub use orders::{order_drain, presence_of};
pub use presence::Presence;
pub use rack::{OUT_OF_REACH, PATIENCE, Parts, Rack};
