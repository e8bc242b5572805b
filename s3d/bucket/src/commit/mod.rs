//! Changes: what is asked, what becomes of the rows, and the one task that makes them durable (B2).

pub mod change;
pub mod committer;
pub mod fold;
pub mod messages;
pub mod mover;
mod pipeline;
pub mod plan;
pub mod view;
