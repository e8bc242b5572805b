//! A change of some series that is made whole or not at all.

use s3d_bucket::Timestamp;
use s3d_records::{RecordError, Records, absent, delete, put, unchanged};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use volumed_meta::{Change, Compare};

use crate::earlier;
use crate::history::History;
use crate::sample::Sample;
use crate::series::Series;

/// A change of some series at a time.
pub struct Transaction<'a> {
    records: &'a Records,
    at: Timestamp,
    conditions: Vec<Compare>,
    changes: Vec<Change>,
}

impl<'a> Transaction<'a> {
    pub fn new(records: &'a Records, at: Timestamp) -> Self {
        Self {
            records,
            at,
            conditions: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Makes the change only if this holds.
    pub fn require(&mut self, condition: Compare) {
        self.conditions.push(condition);
    }

    /// Has a series hold what `next` makes of what it held; answers what that was.
    pub async fn change(
        &mut self,
        series: &Series,
        next: impl FnOnce(Sample) -> Sample,
    ) -> Result<Option<Sample>, RecordError> {
        let key = series.now();
        let before = self.read::<Sample>(&key).await?;
        let sample = next(before.unwrap_or_default());
        self.changes.push(put(key, &sample));
        let key = series.history();
        let mut history = match self.read::<History>(&key).await? {
            Some(history) => history,
            None => self.take_earlier(series).await?,
        };
        history.add(self.at, sample);
        self.changes.push(put(key, &history));
        Ok(before)
    }

    /// Removes a series; answers what it held, if it was there.
    pub async fn remove(&mut self, series: &Series) -> Result<Option<Sample>, RecordError> {
        let before = self.read::<Sample>(&series.now()).await?;
        let prefix = series.prefix();
        for (rest, _) in self.records.list::<IgnoredAny>(prefix).await? {
            self.changes.push(delete(format!("{prefix}{rest}")));
        }
        Ok(before)
    }

    /// Answers whether it was made: nothing of it was changed by others meanwhile.
    pub async fn commit(self) -> Result<bool, RecordError> {
        self.records.commit(self.conditions, self.changes).await
    }

    /// The history in the first form, whose records go.
    async fn take_earlier(&mut self, series: &Series) -> Result<History, RecordError> {
        let earlier = earlier::read(self.records, series).await?;
        self.changes.extend(earlier.keys.into_iter().map(delete));
        Ok(earlier.history)
    }

    /// A record, which must not change until the commit.
    async fn read<R: DeserializeOwned + Serialize>(
        &mut self,
        key: &str,
    ) -> Result<Option<R>, RecordError> {
        let stored = self.records.get::<R>(key).await?;
        self.conditions.push(match &stored {
            Some(stored) => unchanged(key, stored),
            None => absent(key),
        });
        Ok(stored.map(|stored| stored.record))
    }
}
