//! When a request was signed.

use std::time::SystemTime;

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// ISO 8601 in its basic form, as every string to sign has it.
const BASIC: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// The usual form of HTTP's dates, between the name of the day and that of the zone: clients get
/// the one wrong and write the other in several ways.
const HTTP: &[BorrowedFormatItem<'_>] =
    format_description!("[day] [month repr:short] [year] [hour]:[minute]:[second]");

/// How clients write that a time is UTC; botocore's `Date` has `-0000`.
const UTC: [&str; 4] = [" GMT", " +0000", " -0000", " UTC"];

/// How far the clocks of client and server may be apart, in seconds, as in S3.
pub const MAX_SKEW: i64 = 15 * 60;

/// The time of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTime {
    basic: String,
    /// Since 1970.
    seconds: i64,
}

impl SigningTime {
    /// Reads a time in ISO 8601's basic form (`20260101T000000Z`) or in one of HTTP's.
    pub fn parse(text: &str) -> Option<Self> {
        let behind_day = text.split_once(", ").map_or(text, |(_, date)| date);
        let mut zones = UTC.iter();
        let date = zones.find_map(|zone| behind_day.strip_suffix(zone));
        let http = || PrimitiveDateTime::parse(date?, HTTP).ok();
        let time = PrimitiveDateTime::parse(text, BASIC).ok().or_else(http);
        let time = match time {
            Some(time) => time.assume_utc(),
            None => OffsetDateTime::from(httpdate::parse_http_date(text).ok()?),
        };
        let seconds = time.unix_timestamp();
        (seconds >= 0).then_some(Self {
            basic: time.format(BASIC).ok()?,
            seconds,
        })
    }

    /// In ISO 8601's basic form.
    pub fn basic(&self) -> &str {
        &self.basic
    }

    /// Since 1970.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Its day, as credential scopes have it.
    pub fn day(&self) -> &str {
        &self.basic[..8]
    }

    /// Seconds from this time to `now`; negative if it lies ahead.
    pub fn age(&self, now: SystemTime) -> i64 {
        OffsetDateTime::from(now).unix_timestamp() - self.seconds
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_forms_are_the_same_time() {
        let of = |text| SigningTime::parse(text).map(|time| (time.basic, time.seconds));
        let expected = Some(("19941106T084937Z".to_owned(), 784_111_777));
        for text in [
            "19941106T084937Z",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Tue, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "Bad Date",
            "19941106",
            "19941306T084937Z",
            "Tue, 07 Jul 1950 21:53:04 GMT",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(SigningTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_age_has_a_sign() {
        let time = SigningTime::parse("19700101T000100Z").expect("a time");
        assert_eq!(time.age(SystemTime::UNIX_EPOCH), -60);
        assert_eq!(
            time.age(SystemTime::UNIX_EPOCH + Duration::from_secs(90)),
            30
        );
        assert_eq!(time.day(), "19700101");
    }
}
