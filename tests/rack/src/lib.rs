//! A rack on one machine: nodes on a network of their own, and what can go wrong with them.

pub mod history;
pub mod linear;
