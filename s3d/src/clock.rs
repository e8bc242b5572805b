//! The time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3d_bucket::Timestamp;
use s3s::dto::TimestampFormat;

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
    let time = UNIX_EPOCH + Duration::from_millis(time.0);
    let mut text = Vec::new();
    let formatted = s3s::dto::Timestamp::from(time).format(TimestampFormat::DateTime, &mut text);
    formatted.map_or_else(
        |_| String::new(),
        |()| String::from_utf8_lossy(&text).into_owned(),
    )
}
