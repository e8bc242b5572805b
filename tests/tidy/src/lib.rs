//! What the tree must look like. Each rule reads a [`Tree`] and returns a sentence for every offence.

pub mod architecture;
pub mod arrows;
pub mod pipeline;
pub mod sizes;
pub mod strays;
pub mod text;
mod tree;

pub use tree::Tree;
