//! The committer in a pool that is full: what needs space is refused, and what frees some is made all the same.

use std::collections::VecDeque;

use volumed_client::DeviceError;

use super::Committer;
use crate::commit::change::Change;
use crate::commit::pipeline::{Batch, Pending};
use crate::commit::plan::CommitPlan;
use crate::errors::{ChangeError, ClosedError};
use crate::index::memtable::row_bytes;
use crate::object::Timestamp;
use crate::space::reserve::{hold_for_fold, release_for_log, release_for_many_rows};

impl Committer {
    /// Whether the rows of the plan, and those before it, will find room in the index.
    pub(super) async fn hold_for_fold(&mut self, plan: &CommitPlan) -> Result<bool, ClosedError> {
        let coming = self.pipeline.row_bytes() + row_bytes(&plan.records);
        if hold_for_fold(&self.shared, coming).await? {
            return Ok(true);
        }
        // What is folded needs none.
        let position = self.visible.log.position;
        self.fold.run_to_completion(position).await?;
        Ok(hold_for_fold(&self.shared, coming).await?)
    }

    /// Others may have what a fold of many rows was held for, once there are none.
    pub(super) async fn release_if_idle(&mut self) -> Result<(), DeviceError> {
        if self.pipeline.is_empty() && self.shared.index.unfolded_bytes() == 0 {
            release_for_many_rows(&self.shared).await?;
        }
        Ok(())
    }

    /// Nothing can be done before space comes back: behind this fold, though it may have no rows, that of the
    /// log does.
    async fn refuse_full(&mut self, batch: Batch) -> Result<(), ClosedError> {
        batch.refuse(&ChangeError::NoSpace);
        self.fold.begin(self.visible.log.position).await
    }

    /// A group got no place in the log, or its rows none in the index. Nothing may be planned on it: what
    /// came next would follow the groups before it without a gap, and a replay would reach it.
    pub(super) async fn found_no_place(
        &mut self,
        batch: Batch,
        error: DeviceError,
    ) -> Result<(), ClosedError> {
        if error != DeviceError::NoSpace {
            return Err(self.close_indeterminate(error));
        }
        self.finish_pipeline().await?;
        self.log.rewind(self.visible.log);
        self.commit_deletes_only(batch).await
    }

    /// The pool is full: the group was not written. Those behind it lie beyond a gap in the log, where
    /// no replay comes, and are planned again.
    pub(super) async fn refused(&mut self, oldest: Pending) -> Result<(), ClosedError> {
        self.groups = 1;
        let mut newest = oldest.time;
        let mut behind = VecDeque::new();
        while !self.pipeline.is_empty() {
            let (later, written) = self.pipeline.next().await;
            match written {
                Ok(()) | Err(DeviceError::NoSpace) => {}
                Err(error) => return Err(self.close_indeterminate(error)),
            }
            newest = newest.max(later.time);
            behind.push_back(later.batch);
        }
        // No group that is planned now is the one that they were written behind.
        self.not_before = Timestamp(newest.0 + 1);
        self.log.rewind(self.visible.log);
        behind.append(&mut self.again);
        self.again = behind;
        self.commit_deletes_only(oldest.batch).await
    }

    /// What needs space is refused, what only frees some is written at the cost of the reserve for the log, if
    /// what is left of that is enough for the fold, too.
    async fn commit_deletes_only(&mut self, batch: Batch) -> Result<(), ClosedError> {
        if !batch.changes.iter().any(Change::frees) {
            batch.refuse(&ChangeError::NoSpace);
            return Ok(());
        }
        let (mut plan, fits) = self.plan_placed(&batch, true).await?;
        if !fits {
            self.again_in_halves(batch, &ChangeError::NoSpace);
            return Ok(());
        }
        let mut freed = std::mem::take(&mut plan.outcomes).into_iter();
        let outcome = |change: &Change| {
            let planned = if change.frees() { freed.next() } else { None };
            planned.unwrap_or(Err(ChangeError::NoSpace))
        };
        plan.outcomes = batch.changes.iter().map(outcome).collect();
        if plan.records.is_empty() {
            self.log.rewind(self.visible.log);
            batch.answer(plan.outcomes);
            return Ok(());
        }
        // Not before: nothing but what frees space may cost the reserve.
        if !release_for_log(&self.shared).await? {
            self.log.rewind(self.visible.log);
            return self.refuse_full(batch).await;
        }
        if !self.hold_for_fold(&plan).await? {
            self.log.rewind(self.visible.log);
            self.again_in_halves(batch, &ChangeError::NoSpace);
            return Ok(());
        }
        let group = std::mem::take(&mut plan.group);
        let written = match self.log.place(group, plan.now, true).await {
            Ok(placed) => placed.write().await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {}
            // One by one they may fit.
            Err(DeviceError::NoSpace) => {
                self.log.rewind(self.visible.log);
                self.again_in_halves(batch, &ChangeError::NoSpace);
                return Ok(());
            }
            Err(error) => return Err(self.close_indeterminate(error)),
        }
        let pending = self.pending(batch, plan);
        self.publish(pending);
        // Space comes back only behind a fold: no reason to wait for its time.
        self.fold.begin(self.visible.log.position).await
    }
}
