//! A change of some series that is made whole or not at all.

use std::collections::BTreeMap;

use s3d_bucket::Timestamp;
use s3d_records::{RecordError, Records, absent, delete, put, unchanged};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use volumed_meta::{Change, Compare};

use crate::level::Level;
use crate::sample::Sample;
use crate::series::Series;

/// The samples of one record, by their slot.
pub type Chunk = BTreeMap<u8, Sample>;

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
        for level in Level::ALL {
            self.add(series, level, sample).await?;
        }
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

    async fn add(
        &mut self,
        series: &Series,
        level: Level,
        sample: Sample,
    ) -> Result<(), RecordError> {
        let place = level.place(self.at);
        let key = series.chunk(level, place.chunk);
        let known = self.read::<Chunk>(&key).await?;
        if known.is_none() {
            self.drop_old(series, level, place.chunk).await?;
        }
        let mut chunk = known.unwrap_or_default();
        chunk.insert(place.slot, sample);
        self.changes.push(put(key, &chunk));
        Ok(())
    }

    /// Removes what is older than the level goes back.
    async fn drop_old(
        &mut self,
        series: &Series,
        level: Level,
        newest: u64,
    ) -> Result<(), RecordError> {
        let prefix = series.level(level);
        for (rest, _) in self.records.list::<IgnoredAny>(&prefix).await? {
            let chunk = rest.parse::<u64>().unwrap_or(0);
            if chunk + level.kept() <= newest {
                self.changes.push(delete(format!("{prefix}{rest}")));
            }
        }
        Ok(())
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
