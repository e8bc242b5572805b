//! The time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3d_bucket::Timestamp;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const ISO_8601: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Now.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| since.as_millis() as u64))
}

/// Now, in seconds since 1970.
pub fn seconds() -> u64 {
    now().0 / 1_000
}

/// A time as RFC 3339 has it, like `2026-01-31T12:00:00Z`; none before 1970.
pub fn parse(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let millis = time.unix_timestamp_nanos() / 1_000_000;
    u64::try_from(millis).ok().map(Timestamp)
}

/// A time as ISO 8601 has it, in UTC: `2026-01-31T12:00:00.000Z`.
pub fn text(time: Timestamp) -> String {
    let time = OffsetDateTime::from(UNIX_EPOCH + Duration::from_millis(time.0));
    time.format(ISO_8601).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let time = Timestamp(1_790_000_000_123);
        assert_eq!(parse(&text(time)), Some(time));
        let zoned = parse("1970-01-01T02:00:01+02:00");
        assert_eq!(zoned, Some(Timestamp(1_000)));
        for wrong in ["", "2026-01-31", "yesterday", "1969-12-31T23:59:59Z"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
