//! How often something is done: `daily`, `weekly`, `monthly`, `never`, or a number of days.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of days, at least one; never without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule(Option<u32>);

/// The text is not a [`Schedule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("how often is daily, weekly, monthly, never, or a number of days from 1 to 3650")]
pub struct InvalidSchedule;

const NAMES: [(&str, Option<u32>); 4] = [
    ("daily", Some(1)),
    ("weekly", Some(7)),
    ("monthly", Some(30)),
    ("never", None),
];

impl Schedule {
    pub const MONTHLY: Self = Self(Some(30));

    /// From one time to the next.
    pub fn period(self) -> Option<Duration> {
        let days = self.0?;
        Some(Duration::from_hours(24 * u64::from(days)))
    }
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        if let Some((_, days)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self(*days));
        }
        let days = text.parse().ok().filter(|days| (1..=3650).contains(days));
        days.map(|days| Self(Some(days))).ok_or(InvalidSchedule)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (NAMES.iter().find(|(_, days)| *days == self.0), self.0) {
            (Some((name, _)), _) => name.fmt(f),
            (None, days) => days.unwrap_or(0).fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "how often is a word or a number of days")]
        enum Written {
            Days(u32),
            Name(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Days(days) => days.to_string(),
            Written::Name(name) => name,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_a_word_or_a_number_of_days() {
        for (text, days) in [
            ("daily", Some(1)),
            ("weekly", Some(7)),
            ("never", None),
            ("90", Some(90)),
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(
                (schedule, schedule.to_string()),
                (Schedule(days), text.to_owned())
            );
        }
        for bad in ["", "0", "-1", "3651", "often"] {
            assert_eq!(bad.parse::<Schedule>(), Err(InvalidSchedule), "{bad}");
        }
    }
}
