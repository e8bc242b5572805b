//! The committer: the one task through which a bucket changes (B2).
//!
//! It takes what waits, plans it as one batch, and writes it as one group. While a group is on its way
//! the next may follow it, planned on what the one before leaves. A group becomes visible and its
//! changes are answered when it and all before it are durable, in order.

mod full_pool;

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::ready;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use volumed_client::DeviceError;

use crate::commit::change::Change;
use crate::commit::fold::Fold;
use crate::commit::messages::{Message, Waiting};
use crate::commit::pipeline::{Batch, Pending, Pipeline, Standing};
use crate::commit::plan::{CommitContext, CommitPlan, plan};
use crate::errors::{ChangeError, ClosedError};
use crate::log::MAX_GROUPS;
use crate::log::writer::Log;
use crate::object::Timestamp;
use crate::shared::{Clock, Shared};
use crate::space::reserve::hold_for_log;

pub struct Committer {
    shared: Arc<Shared>,
    log: Log,
    epoch: u64,
    clock: Clock,
    /// Where the bucket stands as everybody sees it.
    visible: Standing,
    pipeline: Pipeline,
    /// Messages that wait for a group of their own.
    waiting: Waiting,
    /// Batches that have to be planned again, the next one first.
    again: VecDeque<Batch>,
    /// Groups that may be on their way at once.
    groups: usize,
    /// Whether none may follow the group on its way.
    closed_behind: bool,
    /// Fewest changes of a group that follows another on its way.
    following: usize,
    /// No group is of an earlier time: what is planned again must differ from what it was.
    not_before: Timestamp,
    fold: Fold,
    /// Whether the reserve was sought before the first group: once the pool is full it is too late.
    reserve_sought: bool,
}

impl Committer {
    /// `following`: fewest changes of a group that follows another on its way.
    pub fn new(shared: Arc<Shared>, log: Log, epoch: u64, clock: Clock, following: usize) -> Self {
        let visible = Standing {
            log: log.end(),
            totals: shared.totals(),
            uploads: 0,
        };
        Self {
            log,
            epoch,
            clock,
            visible,
            pipeline: Pipeline::default(),
            waiting: Waiting::default(),
            again: VecDeque::new(),
            groups: MAX_GROUPS,
            closed_behind: false,
            following,
            not_before: Timestamp(0),
            fold: Fold::new(shared.clone()),
            reserve_sought: false,
            shared,
        }
    }

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
        // Before the changes on their way are dropped: whether their groups were written is unknown.
        // What their bodies claimed is given up then, and must not be TRIMmed if a replay may name it.
        self.shared.close(failure.clone());
        messages.close();
        for message in self.waiting.take() {
            message.refuse(&failure);
        }
        while let Some(message) = messages.recv().await {
            message.refuse(&failure);
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
        if let Some(step) = self.begin_what_waits().await? {
            return Ok(step);
        }
        let due = self.fold.due();
        tokio::select! {
            biased;
            ended = self.fold.ended() => {
                ended?;
                self.release_if_idle().await?;
            },
            (oldest, written) = self.pipeline.next() => self.landed(oldest, written).await?,
            message = messages.recv(), if !self.waiting.is_full() => match message {
                Some(message) => self.waiting.take_in(message, messages),
                None => self.waiting.take_in(Message::Close(oneshot::channel().0), messages),
            },
            () = until(due) => {
                self.fold.begin_due(self.visible.log.position).await?;
                self.release_if_idle().await?;
            },
        }
        Ok(Step::On)
    }

    /// Begins a group of what waits, if one may begin now.
    async fn begin_what_waits(&mut self) -> Result<Option<Step>, ClosedError> {
        if !self.may_begin() {
            return Ok(None);
        }
        if let Some(batch) = self.again.pop_front() {
            self.commit(batch).await?;
            return Ok(Some(Step::On));
        }
        if self.waiting.is_empty()
            || !self.pipeline.is_empty() && !self.waiting.may_follow(self.following)
        {
            return Ok(None);
        }
        let messages = self.waiting.take();
        self.handle(messages).await.map(Some)
    }

    fn may_begin(&self) -> bool {
        self.pipeline.len() < self.groups && !self.closed_behind
    }

    async fn handle(&mut self, messages: Vec<Message>) -> Result<Step, ClosedError> {
        let mut changes: Vec<Change> = Vec::with_capacity(messages.len());
        let mut answers = Vec::with_capacity(messages.len());
        let mut checkpoints = Vec::new();
        let mut close = None;
        for message in messages {
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
            let changes = Arc::new(changes);
            self.commit(Batch { changes, answers }).await?;
        }
        if !checkpoints.is_empty() || close.is_some() {
            self.finish().await?;
            let position = self.visible.log.position;
            self.fold.run_to_completion(position).await?;
            for answer in checkpoints {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(());
            }
        }
        Ok(close.map_or(Step::On, |answer| Step::Closed(Some(answer))))
    }

    /// Waits until nothing is on its way.
    async fn finish(&mut self) -> Result<(), ClosedError> {
        loop {
            if self.may_begin()
                && let Some(batch) = self.again.pop_front()
            {
                self.commit(batch).await?;
            } else if !self.pipeline.is_empty() {
                let (oldest, written) = self.pipeline.next().await;
                self.landed(oldest, written).await?;
            } else {
                return Ok(());
            }
        }
    }

    /// Where the bucket stands behind everything that was planned.
    fn planned(&self) -> Standing {
        self.pipeline.standing().unwrap_or(self.visible)
    }

    /// Plans a batch and sends its group on its way.
    async fn commit(&mut self, batch: Batch) -> Result<(), ClosedError> {
        let (mut plan, fits) = self.plan_placed(&batch, false).await?;
        if !fits {
            self.again_in_halves(batch, &ChangeError::TooLarge);
            return Ok(());
        }
        if plan.records.is_empty() {
            // It may rest on changes that are on their way: answered behind them.
            let pending = self.pending(batch, plan);
            self.pipeline.push(pending, ready(Ok(())).boxed());
            return Ok(());
        }
        if !std::mem::replace(&mut self.reserve_sought, true) {
            hold_for_log(&self.shared).await?;
        }
        if !self.hold_for_fold(&plan).await? {
            return self.found_no_place(batch, DeviceError::NoSpace).await;
        }
        let group = std::mem::take(&mut plan.group);
        match self
            .log
            .place(group, plan.now, self.pipeline.is_empty())
            .await
        {
            Ok(placed) => {
                self.closed_behind = placed.reaches_next();
                let pending = self.pending(batch, plan);
                self.pipeline.push(pending, placed.write().boxed());
                Ok(())
            }
            Err(error) => self.found_no_place(batch, error).await,
        }
    }

    async fn finish_pipeline(&mut self) -> Result<(), ClosedError> {
        while !self.pipeline.is_empty() {
            let (oldest, written) = self.pipeline.next().await;
            self.landed(oldest, written).await?;
        }
        Ok(())
    }

    fn pending(&self, batch: Batch, plan: CommitPlan) -> Pending {
        Pending {
            batch,
            outcomes: plan.outcomes,
            records: Arc::new(plan.records),
            first_record: plan.first_record,
            time: plan.now,
            standing: Standing {
                log: self.log.end(),
                totals: plan.totals,
                uploads: plan.uploads,
            },
        }
    }

    fn again_in_halves(&mut self, batch: Batch, refusal: &ChangeError) {
        for half in batch.split(refusal).into_iter().flatten().rev() {
            self.again.push_front(half);
        }
    }

    /// The oldest group on its way was written, or was not. Only one that is durable is made visible
    /// and its changes reported done.
    async fn landed(
        &mut self,
        oldest: Pending,
        written: Result<(), DeviceError>,
    ) -> Result<(), ClosedError> {
        self.closed_behind = false;
        match written {
            Ok(()) => {
                let made = !oldest.records.is_empty();
                self.publish(oldest);
                if made {
                    self.groups = MAX_GROUPS;
                    let position = self.visible.log.position;
                    self.fold.begin_if_large(position).await?;
                }
                Ok(())
            }
            Err(DeviceError::NoSpace) => self.refused(oldest).await,
            Err(error) => Err(self.close_indeterminate(error)),
        }
    }

    /// Makes a durable group visible, and answers.
    fn publish(&mut self, durable: Pending) {
        let Pending {
            batch,
            outcomes,
            records,
            first_record,
            time,
            standing,
        } = durable;
        self.visible = standing;
        if !records.is_empty() {
            for (change, outcome) in batch.changes.iter().zip(&outcomes) {
                if outcome.is_ok() {
                    change.mark_committed();
                }
            }
            self.shared.index.apply(first_record, time, &records);
            self.shared.set_totals(standing.totals);
            let last = first_record + records.len() as u64 - 1;
            self.shared.set_last_record(last);
            // Noted also when a fold runs, which does not take these rows: the next one is due in its
            // time.
            self.fold.note_rows();
        }
        batch.answer(outcomes);
        if !records.is_empty() {
            // Behind the answers: nobody waits for them longer because somebody follows the feed.
            self.shared.wake_followers();
        }
    }

    /// Whether the group was written is unknown. The bucket ends before its changes are dropped:
    /// what their bodies claimed is given up then, and must not be TRIMmed if a replay may name it.
    fn close_indeterminate(&self, error: DeviceError) -> ClosedError {
        let error = ClosedError::from(error);
        self.shared.close(error.clone());
        error
    }

    /// Plans a batch for where the next group begins, in a full pool only what frees space; answers,
    /// too, whether a group can hold it.
    async fn plan_placed(
        &mut self,
        batch: &Batch,
        full: bool,
    ) -> Result<(CommitPlan, bool), ClosedError> {
        let mut plan = self.plan(&batch.changes, full).await?;
        if plan.group.length() > self.log.room() {
            self.log.skip_segment();
            plan = self.plan(&batch.changes, full).await?;
        }
        let fits = plan.group.length() <= self.log.room();
        Ok((plan, fits))
    }

    async fn plan(
        &mut self,
        changes: &Arc<Vec<Change>>,
        full: bool,
    ) -> Result<CommitPlan, ClosedError> {
        let planned = self.planned();
        let context = CommitContext {
            address: self.log.next_address(),
            room: self.log.room(),
            first_record: self.log.end().position.next_record,
            now: (self.clock)().max(self.not_before),
            epoch: self.epoch,
            uploads: planned.uploads,
            totals: planned.totals,
            quota: self.shared.quota(),
            full,
            slice: self.shared.slice,
        };
        let (changes, pending) = (changes.clone(), self.pipeline.records());
        let plan = self
            .shared
            .index
            .read(move |reader| {
                let pending = pending.iter().flat_map(|records| records.iter().flatten());
                let changes = changes.iter().filter(|it| !full || it.frees());
                plan(changes, pending, reader, context)
            })
            .await?;
        Ok(plan)
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
