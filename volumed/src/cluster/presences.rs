//! Which nodes are up, and which are not since when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use volumed_cluster::{NodeId, Presence, now};
use volumed_node::NodeView;

/// A node that is down for so long is no longer waited for: another one takes its place in etcd, where there is
/// one. Longer than any restart of a machine, and than a file system's check.
const GONE: Duration = Duration::from_mins(15);

/// Who is down. Nobody knows of the time before this daemon began to look.
#[derive(Debug, Default)]
pub struct Presences(Mutex<BTreeMap<NodeId, Down>>);

#[derive(Debug, Clone, Copy)]
struct Down {
    noticed: Instant,
    /// The same, in seconds since 1970.
    since: u64,
}

impl Presences {
    /// Takes note of the nodes as they are at `at`.
    pub fn note(&self, nodes: &[NodeView], at: Instant) {
        let is_down = |node: &NodeView| !node.up && !node.here;
        let mut down = self.0.lock();
        down.retain(|id, _| nodes.iter().any(|node| node.id == *id && is_down(node)));
        for node in nodes.iter().filter(|node| is_down(node)) {
            down.entry(node.id).or_insert_with(|| Down {
                noticed: at,
                since: now(),
            });
        }
    }

    /// Whether a node is there at `at`. One that was never looked at has just joined.
    pub fn of(&self, node: NodeId, at: Instant) -> Presence {
        match self.0.lock().get(&node) {
            None => Presence::Here,
            Some(down) if at.duration_since(down.noticed) < GONE => Presence::Away,
            Some(_) => Presence::Gone,
        }
    }

    /// Since when a node is down as far as is known, in seconds since 1970; `None` if it is not.
    pub fn down_since(&self, node: NodeId) -> Option<u64> {
        self.0.lock().get(&node).map(|down| down.since)
    }
}

#[cfg(test)]
mod tests {
    use volumed_cluster::NodeNumber;
    use volumed_core::ByteCount;

    use super::*;

    fn view(id: u128, up: bool) -> NodeView {
        NodeView {
            id: NodeId(id),
            number: NodeNumber(1),
            name: "n".parse().unwrap(),
            here: false,
            up,
            unreachable: None,
            disks: 0,
            capacity: ByteCount(0),
            used: ByteCount(0),
            free: ByteCount(0),
            served: 0,
            drain_waits: false,
            usable: 0,
        }
    }

    #[test]
    fn a_node_is_away_for_a_while_before_it_is_gone() {
        let (presences, begun) = (Presences::default(), Instant::now());
        let of = |node, at| presences.of(NodeId(node), at);
        assert_eq!(of(1, begun), Presence::Here);
        presences.note(&[view(1, false), view(2, true)], begun);
        assert_eq!(of(1, begun), Presence::Away);
        assert_eq!(of(2, begun), Presence::Here);
        assert!(presences.down_since(NodeId(1)).is_some());
        assert_eq!(presences.down_since(NodeId(2)), None);
        presences.note(&[view(1, false)], begun + GONE / 2);
        assert_eq!(of(1, begun + GONE), Presence::Gone);
    }

    #[test]
    fn a_node_that_came_back_is_waited_for_anew() {
        let (presences, begun) = (Presences::default(), Instant::now());
        presences.note(&[view(1, false)], begun);
        presences.note(&[view(1, true)], begun + GONE);
        assert_eq!(presences.of(NodeId(1), begun + GONE), Presence::Here);
        presences.note(&[view(1, false)], begun + GONE);
        assert_eq!(presences.of(NodeId(1), begun + GONE), Presence::Away);
    }
}
