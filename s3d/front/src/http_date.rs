//! HTTP's dates, in all of their forms (RFC 9110 §5.6.7).

use std::time::{Duration, SystemTime};

use s3d_bucket::Timestamp;

/// Reads a date; `None` if it is none.
pub fn read(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp(since.as_secs() * 1000))
}

/// A time as a date, without its fraction of a second.
pub fn write(time: Timestamp) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(time.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(text), Some(Timestamp(784_111_777_000)), "{text}");
        }
        for text in ["", "0", "1994-11-06T08:49:37Z"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_has_whole_seconds() {
        let date = write(Timestamp(784_111_777_999));
        assert_eq!(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
