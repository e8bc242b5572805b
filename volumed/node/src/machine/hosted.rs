//! Heads on other nodes: their messages to this node's replicas, and the answers.
//!
//! A volume's replicas live in its machine, wherever its head is. Answers find their way by epoch, which no
//! two heads have in common (V1).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::head::PlaceFailure;
use volumed_core::message::{Answer, Ask, ExtentFile, Message, OpId, ReplicaError};
use volumed_core::replica::ReplicaEvent;
use volumed_core::{DiskNumber, Epoch};
use volumed_peer::{LinkId, ReplyTo};

use super::placer::{create_files, create_missing};
use super::{Held, Input, Machine, State};

/// A volume that no head here has, and nobody elsewhere sent anything for so many ticks, gives its memory
/// back.
const REST_AFTER: u32 = 60;

/// What heads on other nodes asked for.
#[derive(Default)]
pub(super) struct Hosted {
    unanswered: HashMap<(DiskNumber, Epoch, OpId), ReplyTo>,
    /// Where the last message to each disk came from, and its epoch.
    links: BTreeMap<DiskNumber, (LinkId, Epoch)>,
    /// Ticks since the last message, until the machine rests.
    quiet: Option<u32>,
}

impl Hosted {
    /// Answers what had the message's place: a head that asks twice gets one answer.
    #[must_use = "it is to be dropped without the lock: that answers"]
    fn note(&mut self, message: &Message, reply: ReplyTo) -> Option<ReplyTo> {
        let &Message {
            disk, epoch, op, ..
        } = message;
        self.links.insert(disk, (reply.link(), epoch));
        self.quiet = Some(0);
        self.unanswered.insert((disk, epoch, op), reply)
    }

    /// Where an answer goes, unless it is for a head here.
    pub fn reply_to(&mut self, answer: &Answer) -> Option<ReplyTo> {
        let key = (answer.disk, answer.epoch, answer.op);
        self.unanswered.remove(&key)
    }

    /// The replica on the disk is gone, and answers nothing any more.
    #[must_use = "it is to be dropped without the lock: that answers"]
    pub fn leave(&mut self, disk: DiskNumber) -> Vec<ReplyTo> {
        self.links.remove(&disk);
        let left = self.unanswered.extract_if(|&(on, ..), _| on == disk);
        left.map(|(_, reply)| reply).collect()
    }

    fn is_unused(&self) -> bool {
        self.unanswered.is_empty()
    }
}

impl Held {
    /// The head of this epoch is gone. What another one was granted since stays.
    pub(super) fn give_back_grant_of(&mut self, epoch: Epoch) {
        if self.replica.promised() == epoch {
            self.replica.give_back_grant();
        }
    }
}

impl Machine {
    /// Hands a message of a head on another node to the replica. To be called in the order in which they
    /// came.
    pub fn take(self: &Arc<Self>, message: Message, reply: ReplyTo) {
        let disk = message.disk;
        if let Ask::Create { files, missing } = message.ask {
            let machine = Arc::clone(self);
            let made = async move {
                let result = machine.make_files(disk, files, missing).await;
                reply.answer_with(result);
            };
            self.node.runtime.spawn(made);
            return;
        }
        let (deeds, replaced) = {
            let mut state = self.state.lock();
            if !state.replicas.contains_key(&disk) {
                drop(state);
                // This answers that the disk is not here.
                return drop(reply);
            }
            let replaced = state.hosted.note(&message, reply);
            let input = Input::Replica(disk, ReplicaEvent::Message(message));
            (state.feed(self.now(), input), replaced)
        };
        drop(replaced);
        self.perform(deeds);
    }

    /// Makes files of extents that a head elsewhere places here (V11).
    async fn make_files(
        &self,
        disk: DiskNumber,
        files: BTreeSet<ExtentFile>,
        missing: bool,
    ) -> Result<Bytes, ReplicaError> {
        let on = self.node.disks.all().get(&disk).cloned();
        let on = on
            .filter(|on| !on.disk.failed())
            .ok_or(ReplicaError::Disk)?;
        let made = if missing {
            create_missing(self.volume, &on, files).await
        } else {
            create_files(self.volume, &on, files.into_iter().collect()).await
        };
        made.map(|()| Bytes::new())
            .map_err(|failure| match failure {
                PlaceFailure::NoSpace => ReplicaError::NoSpace,
                PlaceFailure::Exhausted => ReplicaError::Exhausted,
                PlaceFailure::Failed => ReplicaError::Disk,
            })
    }

    /// Nobody waits any more for answers over the link. A head that asks for more comes over another one
    /// and promises first, so nobody counts on what it was granted.
    pub fn link_ended(&self, link: LinkId) {
        let unanswered: Vec<_> = {
            let mut state = self.state.lock();
            let State {
                hosted, replicas, ..
            } = &mut *state;
            let ended = hosted.links.extract_if(.., |_, (from, _)| *from == link);
            for (disk, (_, epoch)) in ended {
                if let Some(held) = replicas.get_mut(&disk) {
                    held.give_back_grant_of(epoch);
                }
            }
            let ended = hosted
                .unanswered
                .extract_if(|_, reply| reply.link() == link);
            ended.collect()
        };
        drop(unanswered);
    }

    /// A tick went by.
    pub(super) fn rest_if_unused(&self) {
        let rests = {
            let mut state = self.state.lock();
            let unused = state.head.is_none() && state.hosted.is_unused();
            let quiet = state.hosted.quiet.filter(|_| unused);
            let quiet = quiet.map(|ticks| ticks + 1);
            if quiet.is_some() {
                state.hosted.quiet = quiet.filter(|&ticks| ticks < REST_AFTER);
            }
            quiet.is_some() && state.hosted.quiet.is_none()
        };
        if rests {
            self.rest();
        }
    }
}
