//! What links tell the heads of this node.

use std::sync::{Arc, Weak};

use volumed_core::message::Answer;
use volumed_peer::{Heads, NodeId, Sent};

use super::others::Others;
use crate::machine::Node;

/// The heads of this node, as links see them.
pub(super) struct HeadsHere(pub Weak<Node>);

impl HeadsHere {
    fn node(&self) -> Option<(Arc<Node>, Arc<Others>)> {
        let node = self.0.upgrade()?;
        let others = node.others.clone()?;
        Some((node, others))
    }
}

impl Heads for HeadsHere {
    fn answer(&self, _: NodeId, answer: Answer) {
        let Some((node, others)) = self.node() else {
            return;
        };
        if let Some(answer) = others.answered(answer)
            && let Some(machine) = node.served(answer.volume)
        {
            machine.answered(answer);
        }
    }

    fn reached(&self, _: NodeId) {
        let Some((node, _)) = self.node() else {
            return;
        };
        for machine in node.all_served() {
            machine.join_disks();
        }
    }

    /// Nothing is known of what was asked; and before anything else, a replica has to promise anew (V1).
    fn lost(&self, from: NodeId, unanswered: Vec<Sent>) {
        let Some((node, others)) = self.node() else {
            return;
        };
        for machine in node.all_served() {
            machine.leave_disks(&others.sight().disks_of(from));
        }
        for sent in unanswered {
            let Sent {
                volume,
                disk,
                epoch,
                op,
            } = sent;
            self.answer(from, Answer::of_absent(volume, disk, epoch, op));
        }
    }

    fn room(&self, _: NodeId) {
        let Some((node, _)) = self.node() else {
            return;
        };
        for machine in node.all_served() {
            machine.submit_waiting();
        }
    }
}
