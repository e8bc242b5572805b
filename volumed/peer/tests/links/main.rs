//! Links between nodes, over real sockets.
#![allow(clippy::unwrap_used)]

mod authority;
mod bounds;
mod cut;
mod gather;
mod heads;
mod order;
mod proxy;
mod refused;
mod replicas;
mod rig;
mod silence;
mod tls;
mod turns;
