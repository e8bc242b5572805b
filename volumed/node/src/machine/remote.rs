//! Replicas on other nodes: what the head asks them goes over links.

use std::collections::VecDeque;
use std::sync::Arc;

use volumed_cluster::NodeNumber;
use volumed_core::head::HeadEvent;
use volumed_core::message::{Answer, Message};
use volumed_core::replica::ReplicaEvent;
use volumed_core::{DiskNumber, IoError, Reply, VolumeId};
use volumed_meta::Compare;

use crate::store::placements::Pages;
use crate::volume::create::MOST_REPLICAS;

use super::{Deed, Input, Machine, Node, State};

/// How many replicas of a volume so many nodes keep that has no number of its own.
pub(crate) fn auto_replicas(nodes: usize) -> u8 {
    nodes.clamp(1, MOST_REPLICAS.into()) as u8
}

impl Node {
    /// This node's number, in a cluster.
    pub fn own(&self) -> Option<NodeNumber> {
        self.others.as_ref().map(|others| others.own.number)
    }

    /// The machine of a volume that has its head here.
    pub fn served(&self, volume: VolumeId) -> Option<Arc<Machine>> {
        self.served.read().get(&volume)?.upgrade()
    }

    /// The machines that have a head.
    pub fn all_served(&self) -> Vec<Arc<Machine>> {
        let mut served = self.served.write();
        let has_head = |machine: &Arc<Machine>| machine.has_head();
        served.retain(|_, machine| machine.upgrade().as_ref().is_some_and(has_head));
        served
            .values()
            .filter_map(std::sync::Weak::upgrade)
            .collect()
    }

    /// How many disks the pool has.
    pub fn disks_of_pool(&self) -> usize {
        let others = self.others.as_ref();
        let away = others.map_or(0, |others| others.sight().all_disks().count());
        self.disks.all().len() + away
    }

    /// How many replicas a volume has that has no number of its own: as many as there are nodes that are not drained.
    pub fn auto_replicas(&self) -> u8 {
        let others = self.others.as_ref();
        auto_replicas(others.map_or(1, |others| others.sight().used_nodes()))
    }

    /// Whether heads may serve (V1).
    pub fn may_serve(&self) -> bool {
        let others = self.others.as_ref();
        others.is_none_or(|others| others.lease.stands())
    }

    /// An answer that a client may get: V1, none without a lease, since another head may have the volume.
    pub(super) fn checked(&self, reply: Reply) -> Reply {
        if self.may_serve() {
            reply
        } else {
            Err(IoError::Gone)
        }
    }
}

impl Machine {
    /// The links bring their answers here from now on.
    pub(super) fn serve_here(self: &Arc<Self>) {
        if self.node.others.is_some() {
            let machine = Arc::downgrade(self);
            self.node.served.write().insert(self.volume, machine);
        }
    }

    /// This holds in the store as long as the next head serves.
    pub fn serves_under(&self, condition: Compare) {
        *self.serving.lock() = Some(condition);
    }

    /// The volume's pages, as the head may change them that there is, or was last.
    pub fn pages(&self) -> Pages<'_> {
        Pages {
            store: &*self.node.store,
            volume: self.volume,
            head: self.serving.lock().clone(),
        }
    }

    /// A replica on another node answered, or never will.
    pub fn answered(self: &Arc<Self>, answer: Answer) {
        self.head_event(HeadEvent::Answer(answer));
        self.progress.notify_waiters();
    }

    /// There is no link any more to the node of these disks.
    pub fn leave_disks(self: &Arc<Self>, disks: &[DiskNumber]) {
        let deeds: VecDeque<_> = {
            let mut state = self.state.lock();
            let leave =
                |&disk: &DiskNumber| state.feed(self.now(), Input::Head(HeadEvent::Leave(disk)));
            disks.iter().flat_map(leave).collect()
        };
        self.perform(deeds);
    }

    /// Takes the requests up that waited for room on another node.
    pub fn submit_waiting(self: &Arc<Self>) {
        let mut deeds = VecDeque::new();
        {
            let mut state = self.state.lock();
            while state.waiting.front().is_some() && state.may_begin() {
                if let Some((id, request)) = state.waiting.pop_front() {
                    let event = HeadEvent::Request(id, request);
                    deeds.extend(state.feed(self.now(), Input::Head(event)));
                }
            }
        }
        self.perform(deeds);
    }
}

impl State {
    /// Hands a message to the replica here, or puts it in line for the node that has it.
    pub(super) fn route(
        &mut self,
        message: Message,
        inputs: &mut VecDeque<Input>,
        deeds: &mut VecDeque<Deed>,
    ) {
        let disk = message.disk;
        let Some(others) = self
            .others
            .as_ref()
            .filter(|_| !self.replicas.contains_key(&disk))
        else {
            inputs.push_back(Input::Replica(disk, ReplicaEvent::Message(message)));
            return;
        };
        let Message {
            volume, epoch, op, ..
        } = message;
        match others.send(message) {
            // Before what is done here, so that it travels meanwhile.
            Some(node) if !matches!(deeds.front(), Some(Deed::Flush(first)) if *first == node) => {
                deeds.push_front(Deed::Flush(node));
            }
            Some(_) => {}
            None => {
                let answer = Answer::of_absent(volume, disk, epoch, op);
                inputs.push_back(Input::Head(HeadEvent::Answer(answer)));
            }
        }
    }

    /// Whether a request may be begun: none overtakes one that waits.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.may_begin()
    }

    fn may_begin(&self) -> bool {
        let (Some(others), Some(head)) = (&self.others, &self.head) else {
            return true;
        };
        let away = head.serving().map(|(disk, _)| disk);
        others.have_room(away.filter(|disk| !self.replicas.contains_key(disk)))
    }
}
