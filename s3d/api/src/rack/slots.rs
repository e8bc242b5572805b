//! Which node is in which slot of the mount.

use std::sync::Arc;

/// The nodes' names by slot, as `rack.toml` has them; a slot without one is free. No slots: nobody said.
#[derive(Debug, Clone, Default)]
pub struct Slots(Arc<[String]>);

impl Slots {
    /// Of these names; an empty one stands for a free slot.
    pub fn new(nodes: Vec<String>) -> Self {
        Self(nodes.into())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The slot of a node, counted from 1.
    pub(super) fn of(&self, node: &str) -> Option<usize> {
        let at = self.0.iter().position(|name| name == node)?;
        Some(at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_their_slots_and_free_ones_nobody() {
        let slots = Slots::new(["node-1", "", "node-2"].map(str::to_owned).to_vec());
        assert_eq!(slots.count(), 3);
        assert_eq!((slots.of("node-1"), slots.of("node-2")), (Some(1), Some(3)));
        assert_eq!(slots.of("node-3"), None);
        assert_eq!(Slots::default().count(), 0);
    }
}
