//! Which nodes cannot be reached from here. One that is gone is soon known to be gone, and its buckets are taken over;
//! one that lives keeps them, so that it is of no use to wait for it for long.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use volumed_cluster::NodeId;

use crate::presence::Presence;

/// How often a node that is out of reach is tried.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Nodes to which no connection could be made.
#[derive(Debug)]
pub struct Reach {
    /// A node that is out of reach for so long, and not gone, lives.
    patience: Duration,
    cut: Mutex<HashMap<NodeId, Cut>>,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    /// When that s3d was started: one that was started anew may be reached again.
    started: u64,
    since: Instant,
    tried: Instant,
}

impl Reach {
    /// Waits so long for a node.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            cut: Mutex::default(),
        }
    }

    /// Whether to connect to a node: to one that has been out of reach for long only now and then.
    pub fn begins(&self, to: &Presence, now: Instant) -> bool {
        let mut cut = self.cut.lock();
        let known = cut.get_mut(&to.node).filter(|it| it.started == to.started);
        let Some(known) = known else {
            return true;
        };
        let due = now - known.since < self.patience || now - known.tried >= TRY_EVERY;
        if due {
            known.tried = now;
        }
        due
    }

    /// How an attempt ended that began then.
    pub fn ended(&self, to: &Presence, begun: Instant, well: bool) {
        let mut cut = self.cut.lock();
        let before = cut.remove(&to.node);
        if well {
            return;
        }
        let before = before.filter(|it| it.started == to.started);
        let new = Cut {
            started: to.started,
            since: begun,
            tried: begun,
        };
        cut.insert(to.node, before.unwrap_or(new));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use volumed_cluster::NodeNumber;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(6);

    fn presence(started: u64) -> Presence {
        Presence {
            number: NodeNumber(1),
            node: NodeId(1),
            name: "a".parse().unwrap(),
            forward: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            started,
            buckets: 0,
            draining: false,
        }
    }

    #[test]
    fn a_node_that_stays_out_of_reach_is_tried_now_and_then() {
        let (reach, node, begun) = (Reach::new(PATIENCE), presence(1), Instant::now());
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        for seconds in [0, 3, 3, 5] {
            assert!(reach.begins(&node, at(seconds)), "it may be gone");
            reach.ended(&node, at(seconds), false);
        }
        assert!(reach.begins(&node, at(7)), "the last try was at 5");
        assert!(!reach.begins(&node, at(7)));
        assert!(reach.begins(&node, at(8)));
    }

    #[test]
    fn one_that_answers_or_was_started_anew_is_in_reach() {
        let (reach, node, begun) = (Reach::new(Duration::ZERO), presence(1), Instant::now());
        reach.ended(&node, begun, false);
        assert!(!reach.begins(&node, begun));
        assert!(reach.begins(&presence(2), begun));
        assert!(reach.begins(&node, begun + TRY_EVERY), "it is due");
        assert!(!reach.begins(&node, begun + TRY_EVERY));
        reach.ended(&node, begun + TRY_EVERY, true);
        assert!(reach.begins(&node, begun + TRY_EVERY));
    }
}
