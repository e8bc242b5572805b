use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use volumed_core::message::{Answer, Message, ReplicaError};
use volumed_core::wire::Frame;

use crate::writer::Writer;
use crate::{NodeId, Sent};

/// Whoever has replicas on this node. Called from the tasks of links, which must not wait long.
pub trait Host: Send + Sync + 'static {
    /// A message of a head on the node that the answer goes to. Those of one link come one by one, in
    /// the order in which they were sent, and those of a node's next link only after
    /// [`Self::ended`] returned for the one before.
    fn message(&self, message: Message, reply: ReplyTo);
    /// Nothing more comes from the link, and no answer reaches its heads any more. What they asked for may
    /// still come to its end.
    fn ended(&self, link: LinkId);
}

/// One link of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId {
    /// Whose heads speak.
    pub node: NodeId,
    /// Grows with every link that this node accepts.
    pub number: u64,
}

/// Where the answer to a message goes, from any thread. Dropped without one, it answers that the disk is not
/// here: no head waits for ever.
pub struct ReplyTo {
    pub(crate) writer: Arc<Writer>,
    pub(crate) link: LinkId,
    pub(crate) sent: Sent,
    /// What the message holds of what the link may.
    pub(crate) weight: u64,
    pub(crate) answered: bool,
}

impl ReplyTo {
    /// The link that the message came over.
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// Sends the answer at once, as far as the socket takes it; to be called with no lock held.
    pub fn answer(mut self, answer: Answer) {
        debug_assert_eq!(Sent::answered_by(&answer), self.sent, "V12");
        self.send(answer);
    }

    /// The same, of what no replica did.
    pub fn answer_with(mut self, result: Result<Bytes, ReplicaError>) {
        let Sent {
            volume,
            disk,
            epoch,
            op,
        } = self.sent;
        let absent = Answer::of_absent(volume, disk, epoch, op);
        self.send(Answer { result, ..absent });
    }

    fn send(&mut self, answer: Answer) {
        self.answered = true;
        self.writer
            .push(Frame::Answer(answer).encode(), self.weight);
        self.writer.flush();
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if !self.answered {
            let Sent {
                volume,
                disk,
                epoch,
                op,
            } = self.sent;
            self.send(Answer::of_absent(volume, disk, epoch, op));
        }
    }
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyTo")
            .field("link", &self.link)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
