use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use volumed_core::message::{Answer, Ask, Message, OpId};
use volumed_core::wire::Frame;
use volumed_core::{DiskNumber, Epoch, VolumeId};

use crate::weight::weight;
use crate::writer::Writer;
use crate::{Limits, LinkError};

/// While so many quick messages are on their way or with the node, others gather until the next answers come: a
/// system call for each would cost more than what it carries.
const GATHER: u64 = 4;

/// Tells a message from every other of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sent {
    /// Whose replica.
    pub volume: VolumeId,
    /// On which disk.
    pub disk: DiskNumber,
    /// The head's.
    pub epoch: Epoch,
    /// The head's operation.
    pub op: OpId,
}

/// Why a message was not sent: it surely changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no link with the node now.
    #[error("the node is not reachable")]
    Unreachable,
    /// The node is behind with so much that it has to be taken for slow.
    #[error("the node is too slow: as many messages are unanswered as a link may hold")]
    Full,
    /// The node's program is older than the kind of message.
    #[error("the node's program does not know messages of kind {0}: it has to be upgraded")]
    UnknownKind(u16),
}

/// The heads' end of a link with one node, whether it stands or not.
#[derive(Debug)]
pub(crate) struct Link {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    up: Option<Up>,
    /// What was sent on the link that stands.
    unanswered: BTreeMap<Sent, Unanswered>,
    under_way: u64,
    /// Quick messages that this link had an answer to.
    quick_answered: u64,
    /// Somebody was told that there is no room.
    awaited: bool,
    /// Why there is no link.
    why: Option<Arc<LinkError>>,
}

#[derive(Debug)]
struct Unanswered {
    weight: u64,
    quick: bool,
}

#[derive(Debug)]
struct Up {
    writer: Arc<Writer>,
    /// What the node knows.
    kinds: BTreeSet<u16>,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Nobody waited for it.
    Unasked,
    Taken,
    /// There is room again, for which somebody waits.
    MadeRoom,
}

/// A link as it is shown.
pub(crate) struct Shown {
    pub up: bool,
    pub unanswered: usize,
    pub under_way: u64,
    pub why: Option<Arc<LinkError>>,
}

impl Sent {
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            volume: message.volume,
            disk: message.disk,
            epoch: message.epoch,
            op: message.op,
        }
    }

    /// What an answer is to.
    pub fn answered_by(answer: &Answer) -> Self {
        Self {
            volume: answer.volume,
            disk: answer.disk,
            epoch: answer.epoch,
            op: answer.op,
        }
    }
}

impl Link {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
        }
    }

    /// Puts a message in line; it leaves with the next flush at the latest.
    pub fn send(&self, message: Message) -> Result<(), SendError> {
        let (sent, weight, quick) = (Sent::of(&message), weight(&message), is_quick(&message));
        let frame = Frame::Message(message).encode();
        let kind = u16::from_le_bytes([frame.head[6], frame.head[7]]);
        let mut state = self.state.lock();
        let state = &mut *state;
        let up = state.up.as_ref().ok_or(SendError::Unreachable)?;
        if !up.kinds.contains(&kind) {
            return Err(SendError::UnknownKind(kind));
        }
        if state.under_way >= self.limits.most {
            state.awaited = true;
            return Err(SendError::Full);
        }
        // Under the lock: the order of the line is that of the calls.
        up.writer.push(frame, u64::from(quick));
        state.under_way += weight;
        state.unanswered.insert(sent, Unanswered { weight, quick });
        Ok(())
    }

    /// Writes what is in line, or leaves it to the next answers, with which it leaves at the latest.
    pub fn flush(&self) {
        let (writer, answers_come) = {
            let state = self.state.lock();
            let Some(up) = &state.up else { return };
            // Under the lock: those that are counted are answered after this, and what is in line leaves then.
            let with_the_node = up.writer.released().saturating_sub(state.quick_answered);
            (Arc::clone(&up.writer), with_the_node >= GATHER)
        };
        if answers_come {
            writer.flush_many();
        } else {
            writer.flush();
        }
    }

    /// Whether a head may begin something new. If not, it is told when it may.
    pub fn has_room(&self) -> bool {
        let mut state = self.state.lock();
        let room = state.under_way < self.limits.room;
        state.awaited |= !room;
        room
    }

    /// Ends the link that stands.
    pub fn cut(&self) {
        if let Some(writer) = self.writer() {
            writer.break_off();
        }
    }

    fn writer(&self) -> Option<Arc<Writer>> {
        let state = self.state.lock();
        state.up.as_ref().map(|up| Arc::clone(&up.writer))
    }

    pub fn answered(&self, answer: &Answer) -> Answered {
        let mut state = self.state.lock();
        let Some(message) = state.unanswered.remove(&Sent::answered_by(answer)) else {
            return Answered::Unasked;
        };
        state.under_way -= message.weight;
        state.quick_answered += u64::from(message.quick);
        // Half of it: who waits should not be woken up for each answer.
        if state.awaited && state.under_way <= self.limits.room / 2 {
            state.awaited = false;
            return Answered::MadeRoom;
        }
        Answered::Taken
    }

    /// The link stands from now on.
    pub fn up(&self, writer: Arc<Writer>, kinds: BTreeSet<u16>) {
        let mut state = self.state.lock();
        state.up = Some(Up { writer, kinds });
        state.quick_answered = 0;
        state.why = None;
    }

    /// The link ended: answers what was sent on it and has no answer.
    pub fn down(&self) -> Vec<Sent> {
        let mut state = self.state.lock();
        state.up = None;
        state.under_way = 0;
        state.awaited = false;
        std::mem::take(&mut state.unanswered).into_keys().collect()
    }

    pub fn is_up(&self) -> bool {
        self.state.lock().up.is_some()
    }

    /// Notes why there is no link; answers whether that is another reason than before.
    pub fn failed(&self, why: LinkError) -> bool {
        let why = Arc::new(why);
        let before = self.state.lock().why.replace(Arc::clone(&why));
        before.is_none_or(|before| before.to_string() != why.to_string())
    }

    pub fn shown(&self) -> Shown {
        let state = self.state.lock();
        Shown {
            up: state.up.is_some(),
            unanswered: state.unanswered.len(),
            under_way: state.under_way,
            why: state.why.clone(),
        }
    }
}

/// Whether the node answers as soon as it has it, without a sync.
fn is_quick(message: &Message) -> bool {
    matches!(message.ask, Ask::Write { durable: false, .. })
}
