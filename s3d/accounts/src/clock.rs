//! The time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3d_bucket::Timestamp;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
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

/// A time as ISO 8601 has it, in UTC: `2026-01-31T12:00:00.000Z`.
pub fn text(time: Timestamp) -> String {
    let time = OffsetDateTime::from(UNIX_EPOCH + Duration::from_millis(time.0));
    time.format(ISO_8601).unwrap_or_default()
}
