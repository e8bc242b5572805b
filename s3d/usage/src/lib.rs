//! What buckets, namespaces and the pool held over time.
//!
//! A *series* is the history of one of them, in two records however much it is about: what is held now, and points of
//! what was held over two years. A point is written only when something changed, so that what nobody uses costs nothing,
//! and holds until the next one. There is one for each hour of the last week, then for each six hours of 30 days, for
//! each day of 90 and for each week of two years: some 410 points, 5 KB.
//!
//! | key below `s3d/usage/<series>/` | record |
//! |---|---|
//! | `now` | a sample: `[bytes, objects]` |
//! | `history` | the points, see `packed.rs` |
//! | `hours/<day>`, `days/<chunk>` | points in the first form, see `earlier.rs` |
//!
//! A namespace's series is changed in the same transaction as its bucket's, by the difference, so that it is always the
//! sum of its buckets.

mod earlier;
mod history;
mod packed;
mod sample;
mod series;
mod transaction;

#[cfg(test)]
mod tests;

use s3d_bucket::Timestamp;
use s3d_records::{RecordError, Records};
use volumed_meta::Compare;

use history::History;
use transaction::Transaction;

pub use history::Point;
pub use sample::Sample;
pub use series::Series;

/// The history of everything.
#[derive(Debug, Clone)]
pub struct Usage {
    records: Records,
}

impl Usage {
    /// The history in a store.
    pub fn new(records: Records) -> Self {
        Self { records }
    }

    /// Notes what a bucket holds, and so its namespace. Answers whether that is noted: not if somebody else noted
    /// something meanwhile, or `guard` does not hold.
    pub async fn note(
        &self,
        (bucket, namespace): (&Series, &Series),
        at: Timestamp,
        sample: Sample,
        guard: Compare,
    ) -> Result<bool, RecordError> {
        let mut transaction = Transaction::new(&self.records, at);
        transaction.require(guard);
        let before = transaction.change(bucket, |_| sample).await?;
        if before == Some(sample) {
            return Ok(true);
        }
        let before = before.unwrap_or_default();
        let sum = |sum: Sample| sum.plus(sample).minus(before);
        transaction.change(namespace, sum).await?;
        transaction.commit().await
    }

    /// Notes what the pool holds.
    pub async fn note_pool(&self, at: Timestamp, sample: Sample) -> Result<(), RecordError> {
        let mut transaction = Transaction::new(&self.records, at);
        let before = transaction.change(&Series::pool(), |_| sample).await?;
        if before != Some(sample) {
            // Another node that notes the same at the same time is as good.
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Forgets a bucket that is deleted: its namespace holds so much less, and its records go.
    pub async fn forget(
        &self,
        bucket: &Series,
        namespace: &Series,
        at: Timestamp,
    ) -> Result<(), RecordError> {
        loop {
            let mut transaction = Transaction::new(&self.records, at);
            let Some(before) = transaction.remove(bucket).await? else {
                return Ok(());
            };
            transaction
                .change(namespace, |sum| sum.minus(before))
                .await?;
            if transaction.commit().await? {
                return Ok(());
            }
        }
    }

    /// What a series held when it was noted last.
    pub async fn now(&self, series: &Series) -> Result<Option<Sample>, RecordError> {
        let stored = self.records.get(&series.now()).await?;
        Ok(stored.map(|stored| stored.record))
    }

    /// What a series held from `since` on, at most two years ago, the oldest first. If it is known what was held at
    /// `since`, the first point is of that time.
    pub async fn history(
        &self,
        series: &Series,
        since: Timestamp,
    ) -> Result<Vec<Point>, RecordError> {
        let stored = self.records.get::<History>(&series.history()).await?;
        let history = match stored {
            Some(stored) => stored.record,
            None => earlier::read(&self.records, series).await?.history,
        };
        Ok(history.since(since))
    }

    /// How many records a series has.
    #[cfg(test)]
    async fn count(&self, series: &Series) -> usize {
        let records = self.records.list::<serde::de::IgnoredAny>(series.prefix());
        records.await.map_or(0, |records| records.len())
    }
}
