//! Groups on their way to the volume, in the order of the log.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::sync::oneshot;
use volumed_client::DeviceError;

use crate::commit::change::{Change, Outcome};
use crate::errors::ChangeError;
use crate::format::rows::Mutation;
use crate::index::memtable::row_bytes;
use crate::log::writer::LogEnd;
use crate::object::Timestamp;
use crate::totals::Totals;

/// Changes, and whom to answer, in the same order.
pub struct Batch {
    /// Shared with whoever plans them.
    pub changes: Arc<Vec<Change>>,
    pub answers: Vec<oneshot::Sender<Outcome>>,
}

impl Batch {
    /// Answers every change.
    pub fn answer(self, outcomes: Vec<Outcome>) {
        for (answer, outcome) in self.answers.into_iter().zip(outcomes) {
            // A client that went away needs no answer; its change stands.
            let _ = answer.send(outcome);
        }
    }

    /// Refuses every change for the same reason.
    pub fn refuse(self, error: &ChangeError) {
        let outcomes = self.answers.iter().map(|_| Err(error.clone())).collect();
        self.answer(outcomes);
    }

    /// Changes that cannot be made together, in two halves to be made apart. A single one is refused
    /// for this reason.
    pub fn split(self, refusal: &ChangeError) -> Option<[Self; 2]> {
        let Self {
            changes,
            mut answers,
        } = self;
        match Arc::try_unwrap(changes) {
            Ok(mut changes) if changes.len() > 1 => {
                let half = changes.len() / 2;
                let later = Self {
                    changes: Arc::new(changes.split_off(half)),
                    answers: answers.split_off(half),
                };
                let changes = Arc::new(changes);
                Some([Self { changes, answers }, later])
            }
            Ok(changes) => {
                let changes = Arc::new(changes);
                Self { changes, answers }.refuse(refusal);
                None
            }
            Err(changes) => {
                Self { changes, answers }.refuse(refusal);
                None
            }
        }
    }
}

/// See [`CommitPlan`](crate::commit::plan::CommitPlan).
pub type Records = Arc<Vec<Vec<Mutation>>>;

/// Where the bucket stands behind a group, once that and all before it are durable.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    pub log: LogEnd,
    pub totals: Totals,
    /// How many uploads this owner began.
    pub uploads: u64,
}

/// A planned batch whose group is on its way, or that has none.
pub struct Pending {
    pub batch: Batch,
    pub outcomes: Vec<Outcome>,
    pub records: Records,
    /// Sequence number of the first record.
    pub first_record: u64,
    pub time: Timestamp,
    pub standing: Standing,
}

type Write = BoxFuture<'static, Result<(), DeviceError>>;

/// The groups on their way, the oldest first.
#[derive(Default)]
pub struct Pipeline {
    pending: VecDeque<Pending>,
    writes: FuturesOrdered<Write>,
}

impl Pipeline {
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Where the bucket stands behind the newest.
    pub fn standing(&self) -> Option<Standing> {
        self.pending.back().map(|newest| newest.standing)
    }

    /// What all of them change, the oldest first: the rows to plan on before they are visible.
    pub fn records(&self) -> Vec<Records> {
        self.pending.iter().map(|it| it.records.clone()).collect()
    }

    /// Bytes of rows that all of them will bring to memory.
    pub fn row_bytes(&self) -> usize {
        self.pending.iter().map(|it| row_bytes(&it.records)).sum()
    }

    /// Takes one more. Its write begins when [`Pipeline::next`] is polled.
    pub fn push(&mut self, pending: Pending, write: Write) {
        self.pending.push_back(pending);
        self.writes.push_back(write);
    }

    /// Waits for the oldest, and takes it out; for ever when there is none. Drives them all. Nothing is
    /// lost when this is dropped.
    pub async fn next(&mut self) -> (Pending, Result<(), DeviceError>) {
        match (self.writes.next().await, self.pending.pop_front()) {
            (Some(written), Some(oldest)) => (oldest, written),
            _ => std::future::pending().await,
        }
    }
}
