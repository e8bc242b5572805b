//! The first form of a history: a record for each day's samples by the hour, and for each 32 days' by the day. It is
//! read until a change of the series replaces it.

use std::collections::BTreeMap;

use s3d_bucket::Timestamp;
use s3d_records::{RecordError, Records};

use crate::history::{HOUR, History, Point};
use crate::sample::Sample;
use crate::series::Series;

/// Samples of one record, by the hour or day within it.
type Chunk = BTreeMap<u8, Sample>;

/// How samples were kept.
struct Level {
    /// What keys call it.
    name: &'static str,
    /// Milliseconds from one sample to the next.
    step: u64,
    /// Samples of one record.
    slots: u64,
}

const HOURS: Level = Level {
    name: "hours",
    step: HOUR,
    slots: 24,
};

const DAYS: Level = Level {
    name: "days",
    step: 24 * HOUR,
    slots: 32,
};

/// A history in the first form.
#[derive(Debug, Default)]
pub struct Earlier {
    /// What it says.
    pub history: History,
    /// The keys of its records.
    pub keys: Vec<String>,
}

/// The history of a series in the first form; empty if it has none.
pub async fn read(records: &Records, series: &Series) -> Result<Earlier, RecordError> {
    let mut keys = Vec::new();
    let hours = points(records, series, &HOURS, &mut keys).await?;
    let mut all = points(records, series, &DAYS, &mut keys).await?;
    // Of the days that the hours cover, these say more.
    let first = hours.first().map_or(u64::MAX, |point| point.time.0);
    all.retain(|day| day.time.0 + DAYS.step <= first);
    all.extend(hours);
    let mut history = History::default();
    for Point { time, sample } in all {
        history.add(time, sample);
    }
    Ok(Earlier { history, keys })
}

/// The points of a level, in the order of time; notes the keys.
async fn points(
    records: &Records,
    series: &Series,
    level: &Level,
    keys: &mut Vec<String>,
) -> Result<Vec<Point>, RecordError> {
    let prefix = format!("{}{}/", series.prefix(), level.name);
    let mut points = Vec::new();
    for (rest, stored) in records.list::<Chunk>(&prefix).await? {
        let chunk: u64 = rest.parse().unwrap_or(0);
        points.extend(stored.record.into_iter().map(|(slot, sample)| Point {
            time: Timestamp((chunk * level.slots + u64::from(slot)) * level.step),
            sample,
        }));
        keys.push(format!("{prefix}{rest}"));
    }
    Ok(points)
}
