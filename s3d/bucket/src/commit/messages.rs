//! What the committer is asked, and what of it waits.

use tokio::sync::{mpsc, oneshot};

use crate::commit::change::{Change, Outcome};
use crate::errors::{ChangeError, ClosedError};

/// Most changes in a group.
const MAX_CHANGES: usize = 256;

/// A group takes no further change once its small bodies reach this length.
const MAX_BODIES: usize = 2 << 20;

/// A change and whom to answer.
pub struct Submission {
    pub change: Box<Change>,
    pub answer: oneshot::Sender<Outcome>,
}

/// A message to the committer.
pub enum Message {
    Submit(Submission),
    /// Fold everything so far into the index, then answer.
    Checkpoint(oneshot::Sender<()>),
    /// Fold everything and end.
    Close(oneshot::Sender<()>),
}

impl Message {
    /// Bytes of bodies that travel in the group.
    fn small_body(&self) -> usize {
        match self {
            Self::Submit(submission) => submission.change.small_body(),
            Self::Checkpoint(_) | Self::Close(_) => 0,
        }
    }

    /// Answers that the bucket ended for this reason.
    pub fn refuse(self, failure: &ClosedError) {
        // Nobody may be waiting any more.
        match self {
            Self::Submit(submission) => {
                let refused = Err(ChangeError::Closed(failure.clone()));
                let _ = submission.answer.send(refused);
            }
            Self::Checkpoint(answer) | Self::Close(answer) => drop(answer.send(())),
        }
    }
}

/// Messages in the order in which they came.
#[derive(Default)]
pub struct Waiting {
    messages: Vec<Message>,
    /// Length of their small bodies.
    bodies: usize,
    /// Whether one of them waits for everything before it.
    urgent: bool,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.messages.len() >= MAX_CHANGES || self.bodies >= MAX_BODIES
    }

    /// Whether a group of these may follow another that is on its way.
    pub fn may_follow(&self, least: usize) -> bool {
        self.urgent || self.is_full() || self.messages.len() >= least
    }

    /// Takes a message, and those behind it that are there.
    pub fn take_in(&mut self, message: Message, more: &mut mpsc::Receiver<Message>) {
        let mut next = Some(message);
        while let Some(message) = next {
            self.bodies += message.small_body();
            self.urgent |= !matches!(message, Message::Submit(_));
            self.messages.push(message);
            next = if self.is_full() {
                None
            } else {
                more.try_recv().ok()
            };
        }
    }

    pub fn take(&mut self) -> Vec<Message> {
        std::mem::take(self).messages
    }
}
