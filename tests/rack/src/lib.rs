//! A rack on one machine: nodes on a network of their own, and what can go wrong with them.

pub mod account;
pub mod binaries;
pub mod history;
pub mod linear;
pub mod name;
pub mod network;
pub mod node;
pub mod process;
pub mod rack;
pub mod sweep;
