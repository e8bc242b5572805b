//! The `Range` header (RFC 9110 §14).

use std::fmt;
use std::ops::Range;

/// The bytes that a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From `first` to `last`, both included; to the end without one.
    From {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: Option<u64>,
    },
    /// The last so many bytes.
    Last(u64),
}

impl ByteRange {
    /// Reads the header. One that is malformed, of another unit or of several ranges is `None`: S3
    /// passes over it and gives the whole object.
    pub fn read(text: &str) -> Option<Self> {
        let (unit, range) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (number(first), number(last)) {
            (Some(first), Some(last)) => (first <= last).then_some(Self::From {
                first,
                last: Some(last),
            }),
            (Some(first), None) if last.is_empty() => Some(Self::From { first, last: None }),
            (None, Some(length)) if first.is_empty() => Some(Self::Last(length)),
            _ => None,
        }
    }

    /// The bytes of an object of `size` bytes; `None` if there are none.
    pub fn of(self, size: u64) -> Option<Range<u64>> {
        let bytes = match self {
            Self::From { first, last } => {
                first..last.map_or(size, |last| last.saturating_add(1).min(size))
            }
            Self::Last(length) => size.saturating_sub(length)..size,
        };
        (bytes.start < bytes.end).then_some(bytes)
    }
}

/// Digits alone; what is beyond every object is as good as the largest number.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

impl fmt::Display for ByteRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From {
                first,
                last: Some(last),
            } => write!(formatter, "bytes={first}-{last}"),
            Self::From { first, last: None } => write!(formatter, "bytes={first}-"),
            Self::Last(length) => write!(formatter, "bytes=-{length}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, size: u64) -> Option<Range<u64>> {
        ByteRange::read(text).expect("a range").of(size)
    }

    #[test]
    fn ranges_are_cut_to_the_object() {
        assert_eq!(of("bytes=0-0", 10), Some(0..1));
        assert_eq!(of("bytes=4-", 10), Some(4..10));
        assert_eq!(of("Bytes=4-99", 10), Some(4..10));
        assert_eq!(of("bytes=4-99999999999999999999", 10), Some(4..10));
        assert_eq!(of("bytes=-3", 10), Some(7..10));
        assert_eq!(of("bytes=-99", 10), Some(0..10));
        assert_eq!(of("bytes=10-", 10), None);
        assert_eq!(of("bytes=-0", 10), None);
        assert_eq!(of("bytes=0-", 0), None);
        assert_eq!(of("bytes=-1", 0), None);
    }

    #[test]
    fn what_is_no_single_range_is_passed_over() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "lines=0-1",
        ] {
            assert_eq!(ByteRange::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_lies_in_the_object(size: u64, first: u64, last: Option<u64>, length: u64) {
            for range in [ByteRange::From { first, last }, ByteRange::Last(length)] {
                if let Some(bytes) = range.of(size) {
                    prop_assert!(bytes.start < bytes.end && bytes.end <= size);
                }
            }
        }

        #[test]
        fn a_range_is_written_as_it_is_read(text in "bytes=[0-9]{0,3}-[0-9]{0,3}") {
            if let Some(range) = ByteRange::read(&text) {
                prop_assert_eq!(ByteRange::read(&range.to_string()), Some(range));
            }
        }
    }
}
