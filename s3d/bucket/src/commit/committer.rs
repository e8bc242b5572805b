//! The committer: the one task through which a bucket changes (B2).
//!
//! It takes what waits, plans it as one batch, writes it as one group, and only when that is
//! durable makes it visible and answers, in order. One group is in flight.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use volumed_client::DeviceError;

use crate::commit::change::{Change, Outcome};
use crate::commit::fold::Fold;
use crate::commit::plan::{CommitContext, CommitPlan, plan};
use crate::errors::{ChangeError, ClosedError};
use crate::format::layout::SEGMENT;
use crate::log::writer::Log;
use crate::shared::{Clock, Shared};
use crate::space::reserve::{hold_reserve, release_reserve};

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

pub struct Committer {
    pub shared: Arc<Shared>,
    pub log: Log,
    pub epoch: u64,
    pub clock: Clock,
    pub uploads: u64,
    pub fold: Fold,
    /// Whether the reserve was sought before the first group: once the pool is full it is too late.
    pub reserve_sought: bool,
}

impl Committer {
    /// Runs until the bucket is closed or something fails.
    pub async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let _guard = CloseAtEnd(self.shared.clone());
        let mut end = None;
        let failure = loop {
            match self.next(&mut messages).await {
                Ok(Step::On) => {}
                Ok(Step::Closed(answer)) => {
                    end = answer;
                    break ClosedError::OnPurpose;
                }
                Err(error) => {
                    tracing::warn!(%error, "the bucket is closed");
                    break error;
                }
            }
        };
        self.shared.close(failure.clone());
        messages.close();
        while let Some(message) = messages.recv().await {
            refuse(message, &failure);
        }
        if let Some(answer) = end {
            // The volume is detached once this is answered, and closing the index writes.
            let index = self.shared.index.store().clone();
            self.shared.offload.run(move || index.close()).await;
            // Whoever closed may have stopped waiting.
            let _ = answer.send(());
        }
    }

    async fn next(&mut self, messages: &mut mpsc::Receiver<Message>) -> Result<Step, ClosedError> {
        let mut batch = Vec::new();
        let due = self.fold.due();
        tokio::select! {
            biased;
            ended = self.fold.ended() => {
                ended?;
                return Ok(Step::On);
            }
            message = messages.recv() => match message {
                Some(message) => batch.push(message),
                None => batch.push(Message::Close(oneshot::channel().0)),
            },
            () = until(due) => {
                self.fold.begin_due(self.log.position())?;
                return Ok(Step::On);
            }
        }
        let mut bodies = small_body(&batch[0]);
        while batch.len() < MAX_CHANGES && bodies < MAX_BODIES {
            let Ok(message) = messages.try_recv() else {
                break;
            };
            bodies += small_body(&message);
            batch.push(message);
        }
        self.handle(batch).await
    }

    async fn handle(&mut self, batch: Vec<Message>) -> Result<Step, ClosedError> {
        let mut changes: Vec<Change> = Vec::with_capacity(batch.len());
        let mut answers = Vec::with_capacity(batch.len());
        let mut checkpoints = Vec::new();
        let mut close = None;
        for message in batch {
            match message {
                Message::Submit(submission) => {
                    changes.push(*submission.change);
                    answers.push(submission.answer);
                }
                Message::Checkpoint(answer) => checkpoints.push(answer),
                Message::Close(answer) => close = Some(answer),
            }
        }
        if !changes.is_empty() {
            self.commit(changes, answers).await?;
        }
        if !checkpoints.is_empty() || close.is_some() {
            self.fold.run_to_completion(self.log.position()).await?;
            for answer in checkpoints {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(());
            }
        }
        Ok(close.map_or(Step::On, |answer| Step::Closed(Some(answer))))
    }

    async fn commit(
        &mut self,
        changes: Vec<Change>,
        answers: Vec<oneshot::Sender<Outcome>>,
    ) -> Result<(), ClosedError> {
        // Batches that wait, the next one last.
        let mut batches = vec![(changes, answers)];
        while let Some((changes, answers)) = batches.pop() {
            match self.write(changes).await {
                Ok(Written::Group(outcomes)) => {
                    answer_all(answers, outcomes);
                    self.fold.begin_if_large(self.log.position()).await?;
                }
                Ok(Written::Nothing(outcomes)) => answer_all(answers, outcomes),
                Ok(Written::TooLong(mut changes)) => {
                    let mut answers = answers;
                    let later = changes.split_off(changes.len() / 2);
                    batches.push((later, answers.split_off(changes.len())));
                    batches.push((changes, answers));
                }
                Err(error) => {
                    batches.push((Vec::new(), answers));
                    for answer in batches.into_iter().flat_map(|(_, answers)| answers) {
                        let _ = answer.send(Err(ChangeError::Closed(error.clone())));
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Plans and writes a batch. Only a group that is durable is applied and reported done.
    async fn write(&mut self, changes: Vec<Change>) -> Result<Written, ClosedError> {
        let changes = Arc::new(changes);
        let mut plan = self.plan(&changes, |_| true).await?;
        if !self.log.fits(plan.group.length()) {
            self.log.skip_segment();
            plan = self.plan(&changes, |_| true).await?;
        }
        if plan.records.is_empty() {
            return Ok(Written::Nothing(plan.outcomes));
        }
        if plan.group.length() > SEGMENT {
            return Ok(too_long(changes, &ChangeError::TooLarge));
        }
        if !std::mem::replace(&mut self.reserve_sought, true) {
            hold_reserve(&self.shared).await?;
        }
        let group = std::mem::take(&mut plan.group);
        match self.log.write(group, plan.now).await {
            Ok(()) => {}
            Err(DeviceError::NoSpace) => return self.commit_deletes_only(changes).await,
            Err(error) => return Err(self.close_indeterminate(error)),
        }
        self.uploads = plan.uploads;
        for (change, outcome) in changes.iter().zip(&plan.outcomes) {
            if outcome.is_ok() {
                change.mark_committed();
            }
        }
        self.publish(&plan);
        Ok(Written::Group(plan.outcomes))
    }

    /// The pool is full: what needs space is refused, what only frees some is written at the cost
    /// of the reserve.
    async fn commit_deletes_only(
        &mut self,
        changes: Arc<Vec<Change>>,
    ) -> Result<Written, ClosedError> {
        if !changes.iter().any(Change::frees) || !release_reserve(&self.shared).await? {
            return Ok(Written::refused(changes.len(), &ChangeError::NoSpace));
        }
        let mut plan = self.plan(&changes, Change::frees).await?;
        if !self.log.fits(plan.group.length()) {
            self.log.skip_segment();
            plan = self.plan(&changes, Change::frees).await?;
        }
        let group = std::mem::take(&mut plan.group);
        match self.log.write(group, plan.now).await {
            Ok(()) => {}
            // One by one they may fit.
            Err(DeviceError::NoSpace) => return Ok(too_long(changes, &ChangeError::NoSpace)),
            Err(error) => return Err(self.close_indeterminate(error)),
        }
        self.publish(&plan);
        // Space comes back only behind a fold: no reason to wait for its time.
        self.fold.begin(self.log.position())?;
        let mut freed = plan.outcomes.into_iter();
        let outcome = |change: &Change| {
            let planned = if change.frees() { freed.next() } else { None };
            planned.unwrap_or(Err(ChangeError::NoSpace))
        };
        Ok(Written::Group(changes.iter().map(outcome).collect()))
    }

    /// Makes a durable group visible.
    fn publish(&mut self, plan: &CommitPlan) {
        let CommitPlan {
            first_record, now, ..
        } = *plan;
        self.shared.index.apply(first_record, now, &plan.records);
        self.shared.set_totals(plan.totals);
        let last = first_record + plan.records.len() as u64 - 1;
        self.shared.last_record.send_replace(last);
        // Noted also when a fold runs, which does not take these rows: the next one is due in its
        // time.
        self.fold.note_rows();
    }

    /// Whether the group was written is unknown. The bucket ends before its changes are dropped:
    /// what their bodies claimed is given up then, and must not be TRIMmed if a replay may name it.
    fn close_indeterminate(&self, error: DeviceError) -> ClosedError {
        let error = ClosedError::from(error);
        self.shared.close(error.clone());
        error
    }

    async fn plan(
        &self,
        changes: &Arc<Vec<Change>>,
        which: fn(&Change) -> bool,
    ) -> Result<CommitPlan, ClosedError> {
        let context = CommitContext {
            address: self.log.next_address(),
            first_record: self.log.position().next_record,
            now: (self.clock)(),
            epoch: self.epoch,
            uploads: self.uploads,
            totals: self.shared.totals(),
            quota: self.shared.quota(),
        };
        let changes = changes.clone();
        let plan = self
            .shared
            .index
            .read(move |reader| plan(changes.iter().filter(|it| which(it)), reader, context))
            .await?;
        Ok(plan)
    }
}

/// What became of a batch.
enum Written {
    /// A durable group holds it.
    Group(Vec<Outcome>),
    /// There was nothing to write.
    Nothing(Vec<Outcome>),
    /// It must be made in smaller batches; nothing was done.
    TooLong(Vec<Change>),
}

impl Written {
    fn refused(changes: usize, error: &ChangeError) -> Self {
        Self::Nothing((0..changes).map(|_| Err(error.clone())).collect())
    }
}

/// Changes that cannot be made together are made apart; a single one is refused.
fn too_long(changes: Arc<Vec<Change>>, refusal: &ChangeError) -> Written {
    match Arc::try_unwrap(changes) {
        Ok(changes) if changes.len() > 1 => Written::TooLong(changes),
        Ok(_) => Written::refused(1, refusal),
        Err(shared) => Written::refused(shared.len(), refusal),
    }
}

fn answer_all(answers: Vec<oneshot::Sender<Outcome>>, outcomes: Vec<Outcome>) {
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // A client that went away needs no answer; its change stands.
        let _ = answer.send(outcome);
    }
}

/// Closes the bucket however its committer ends, a panic included: whoever holds the handle then
/// opens it again.
struct CloseAtEnd(Arc<Shared>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        let unsaid = "the committer ended without a word".to_owned();
        self.0.close(ClosedError::Index(unsaid));
    }
}

enum Step {
    On,
    Closed(Option<oneshot::Sender<()>>),
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn small_body(message: &Message) -> usize {
    match message {
        Message::Submit(submission) => submission.change.small_body(),
        Message::Checkpoint(_) | Message::Close(_) => 0,
    }
}

fn refuse(message: Message, failure: &ClosedError) {
    // Nobody may be waiting any more.
    match message {
        Message::Submit(submission) => {
            let _ = submission
                .answer
                .send(Err(ChangeError::Closed(failure.clone())));
        }
        Message::Checkpoint(answer) | Message::Close(answer) => drop(answer.send(())),
    }
}
