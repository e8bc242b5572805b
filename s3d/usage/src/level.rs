//! How finely samples are kept, and for how long.

use s3d_bucket::Timestamp;

const HOUR: u64 = 3_600_000;

/// How finely samples are kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One for each hour of 30 days.
    Hours,
    /// One for each day of two years.
    Days,
}

/// Where a sample is: in which record, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub chunk: u64,
    pub slot: u8,
}

impl Level {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hours, Self::Days];

    /// How far back it goes, in milliseconds.
    pub fn span(self) -> u64 {
        match self {
            Self::Hours => 30 * 24 * HOUR,
            Self::Days => 730 * 24 * HOUR,
        }
    }

    /// What keys call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Days => "days",
        }
    }

    /// Milliseconds from one sample to the next.
    fn step(self) -> u64 {
        match self {
            Self::Hours => HOUR,
            Self::Days => 24 * HOUR,
        }
    }

    /// Samples of one record.
    fn slots(self) -> u64 {
        match self {
            Self::Hours => 24,
            Self::Days => 32,
        }
    }

    /// Records that are kept: the span, and the one that is being filled.
    pub(crate) fn kept(self) -> u64 {
        let chunk = self.slots() * self.step();
        self.span().div_ceil(chunk) + 1
    }

    pub(crate) fn place(self, at: Timestamp) -> Place {
        let tick = at.0 / self.step();
        Place {
            chunk: tick / self.slots(),
            slot: (tick % self.slots()) as u8,
        }
    }

    /// When the time begins that a sample is of.
    pub(crate) fn time(self, place: Place) -> Timestamp {
        let tick = place.chunk * self.slots() + u64::from(place.slot);
        Timestamp(tick * self.step())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_found_again_to_the_hour_and_the_day() {
        let at = Timestamp(1_790_000_000_000);
        for level in Level::ALL {
            let began = level.time(level.place(at));
            assert!(began.0 <= at.0 && at.0 < began.0 + level.step());
            assert_eq!(level.place(began), level.place(at));
        }
    }

    #[test]
    fn what_is_kept_covers_the_span() {
        assert_eq!(Level::Hours.kept(), 31);
        assert_eq!(Level::Days.kept(), 24);
    }
}
