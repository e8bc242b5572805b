//! What something held over time, kept the more coarsely the older it is.

use s3d_bucket::Timestamp;

use crate::sample::Sample;

pub const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// From which age on at most one point is kept for each so long, both in milliseconds; the oldest first.
const STEPS: [(u64, u64); 4] = [
    (90 * DAY, 7 * DAY),
    (30 * DAY, DAY),
    (7 * DAY, 6 * HOUR),
    (0, HOUR),
];

/// How far back a history goes, in milliseconds: two years.
const SPAN: u64 = 730 * DAY;

/// What something held from a time on, until the next point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// From when on: the beginning of an hour, or of what is kept for one point at this age.
    pub time: Timestamp,
    /// What it held at the end of that.
    pub sample: Sample,
}

/// The points of a series, in the order of time; no two in a row hold the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    pub(crate) points: Vec<Point>,
}

impl History {
    /// Notes what is held from now on, and makes what is older coarser.
    pub fn add(&mut self, now: Timestamp, sample: Sample) {
        self.points.push(Point { time: now, sample });
        let points = std::mem::take(&mut self.points);
        for point in points {
            let time = point.time.0 - point.time.0 % step(now, point.time);
            self.append(Timestamp(time), point.sample);
        }
        // The last of those that are too old is what was held when the others begin.
        let is_old = |point: &Point| now.0.saturating_sub(point.time.0) > SPAN;
        let old = self.points.partition_point(is_old);
        self.points.drain(..old.saturating_sub(1));
    }

    /// What was held from `since` on, the oldest first; the first point is of that time if it is known what was held
    /// then.
    pub fn since(&self, since: Timestamp) -> Vec<Point> {
        let before = self.points.partition_point(|point| point.time <= since);
        let (before, after) = self.points.split_at(before);
        let held = before.last().map(|point| Point {
            time: since,
            sample: point.sample,
        });
        held.into_iter().chain(after.iter().copied()).collect()
    }

    /// Puts a point behind the others; of those for one time the last counts. A clock that was set back does not
    /// bring the order about.
    fn append(&mut self, time: Timestamp, sample: Sample) {
        let replaced = self.points.pop_if(|last| last.time >= time);
        let time = replaced.map_or(time, |replaced| replaced.time);
        if self.points.last().is_none_or(|last| last.sample != sample) {
            self.points.push(Point { time, sample });
        }
    }
}

/// For how long one point is kept of a time.
fn step(now: Timestamp, time: Timestamp) -> u64 {
    let age = now.0.saturating_sub(time.0);
    let (_, step) = STEPS
        .iter()
        .find(|(from, _)| age >= *from)
        .unwrap_or(&(0, HOUR));
    *step
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A midnight with which a week begins.
    const START: u64 = 2_857 * 7 * DAY;

    fn sample(bytes: u64) -> Sample {
        Sample { bytes, objects: 1 }
    }

    /// Hours since the start, and bytes.
    fn hours(history: &History) -> Vec<(u64, u64)> {
        let points = history.points.iter();
        points
            .map(|point| ((point.time.0 - START) / HOUR, point.sample.bytes))
            .collect()
    }

    fn of(points: impl IntoIterator<Item = (u64, u64)>) -> History {
        let mut history = History::default();
        for (at, bytes) in points {
            history.add(Timestamp(START + at), sample(bytes));
        }
        history
    }

    #[test]
    fn an_hour_keeps_its_last_value() {
        let history = of([(0, 5), (HOUR / 2, 6), (3 * HOUR, 6), (4 * HOUR, 9)]);
        assert_eq!(hours(&history), [(0, 6), (4, 9)]);
    }

    #[test]
    fn a_value_that_comes_and_goes_within_an_hour_leaves_nothing() {
        let history = of([(0, 5), (HOUR, 6), (HOUR + 1, 5)]);
        assert_eq!(hours(&history), [(0, 5)]);
    }

    #[test]
    fn what_grows_old_grows_coarse() {
        let each_hour = of((0..24 * 8).map(|hour| (hour * HOUR, hour)));
        let points = hours(&each_hour);
        assert_eq!(points[..4], [(0, 5), (6, 11), (12, 17), (18, 23)]);
        assert_eq!(points.last(), Some(&(24 * 8 - 1, 24 * 8 - 1)));
        let mut later = each_hour;
        later.add(Timestamp(START + 100 * DAY), sample(7));
        assert_eq!(hours(&later), [(0, 167), (7 * 24, 191), (100 * 24, 7)]);
    }

    #[test]
    fn what_did_not_change_for_long_is_still_known() {
        let history = of([(0, 5), (1_000 * DAY, 8), (1_001 * DAY, 9)]);
        let since = Timestamp(START + 990 * DAY);
        let known = history.since(since);
        assert_eq!(
            (known.len(), known[0].time, known[0].sample),
            (3, since, sample(5))
        );
        let later = of([(0, 5), (DAY, 6), (1_000 * DAY, 8)]);
        assert_eq!(hours(&later), [(0, 6), (24_000, 8)]);
    }

    #[test]
    fn a_clock_that_is_set_back_changes_no_order() {
        let history = of([(0, 5), (9 * HOUR, 6), (3 * HOUR, 7)]);
        assert_eq!(hours(&history), [(0, 5), (9, 7)]);
    }
}
