//! Reading what a series held.

use s3d_bucket::Timestamp;
use s3d_records::RecordError;

use crate::Usage;
use crate::level::{Level, Place};
use crate::sample::Sample;
use crate::series::Series;
use crate::transaction::Chunk;

/// What a series held from a time on, until the next point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// From when on: the beginning of an hour or a day.
    pub time: Timestamp,
    /// What it held at the end of that.
    pub sample: Sample,
}

impl Usage {
    /// What a series held from `since` on, as far as the level goes back, the oldest first: at most a point for each
    /// hour or day. If it is known what was held at `since`, the first point is of that time.
    pub async fn history(
        &self,
        series: &Series,
        level: Level,
        since: Timestamp,
    ) -> Result<Vec<Point>, RecordError> {
        let points = self.points(series, level).await?;
        let (before, mut within): (Vec<Point>, Vec<Point>) =
            points.into_iter().partition(|point| point.time <= since);
        let first = match before.last() {
            Some(point) => Some(point.sample),
            None => self.held_at(series, since, within.is_empty()).await?,
        };
        if let Some(sample) = first {
            within.insert(
                0,
                Point {
                    time: since,
                    sample,
                },
            );
        }
        Ok(within)
    }

    /// What was held at a time of which the level keeps nothing any more: what the coarser one has, or, if nothing
    /// changed since, what is held now.
    async fn held_at(
        &self,
        series: &Series,
        time: Timestamp,
        unchanged_since: bool,
    ) -> Result<Option<Sample>, RecordError> {
        let days = self.points(series, Level::Days).await?;
        let known = days.iter().rev().find(|point| point.time <= time);
        match known {
            Some(point) => Ok(Some(point.sample)),
            None if unchanged_since => self.now(series).await,
            None => Ok(None),
        }
    }

    async fn points(&self, series: &Series, level: Level) -> Result<Vec<Point>, RecordError> {
        let chunks = self.records.list::<Chunk>(&series.level(level)).await?;
        let mut points = Vec::new();
        for (rest, stored) in chunks {
            let chunk = rest.parse().unwrap_or(0);
            points.extend(stored.record.into_iter().map(|(slot, sample)| Point {
                time: level.time(Place { chunk, slot }),
                sample,
            }));
        }
        Ok(points)
    }
}
