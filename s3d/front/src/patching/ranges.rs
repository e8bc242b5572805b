//! Which ranges a request has bytes for.

use std::ops::Range;

use http::HeaderMap;

/// Most ranges of one request.
const MOST: usize = 1000;

/// Why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The header is missing or malformed.
    #[error(
        "Content-Range has to be bytes FIRST-LAST/* with both bytes included; ranges are in order and \
         separated by commas, {MOST} at most"
    )]
    Ranges,
    /// The object ends before a range begins.
    #[error("a range begins behind the end of the object, which has {0} bytes")]
    Gap(u64),
    /// The directive is none.
    #[error("x-amz-metadata-directive is COPY or REPLACE")]
    Directive,
}

/// The ranges that `Content-Range` names, each behind the one before.
pub fn read(headers: &HeaderMap) -> Result<Vec<Range<u64>>, PatchError> {
    let header = headers.get("content-range");
    let text = header.and_then(|header| header.to_str().ok());
    text.and_then(parse).ok_or(PatchError::Ranges)
}

fn parse(text: &str) -> Option<Vec<Range<u64>>> {
    let (unit, rest) = text.split_once(' ')?;
    let ranges = rest.strip_suffix("/*")?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut read: Vec<Range<u64>> = Vec::new();
    for range in ranges.split(',') {
        let (first, last) = range.trim().split_once('-')?;
        let range = number(first)?..number(last)?.checked_add(1)?;
        let behind = read.last().is_none_or(|before| before.end <= range.start);
        if range.is_empty() || !behind || read.len() == MOST {
            return None;
        }
        read.push(range);
    }
    Some(read)
}

fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_in_order_and_not_empty() {
        let one = parse("bytes 0-9/*").expect("it is one");
        assert_eq!((&one[0], one.len()), (&(0..10), 1));
        assert_eq!(
            parse("Bytes 0-0,5-9, 10-11/*"),
            Some(vec![0..1, 5..10, 10..12])
        );
        for text in [
            "",
            "bytes 0-9",
            "bytes 0-9/10",
            "bytes=0-9/*",
            "lines 0-9/*",
            "bytes 9-0/*",
            "bytes 5-9,0-1/*",
            "bytes 0-9,9-10/*",
            "bytes 0-18446744073709551615/*",
            "bytes +1-9/*",
            "bytes -9/*",
            "bytes /*",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(text in "(bytes )?[-0-9, /*]{0,40}") {
            if let Some(ranges) = parse(&text) {
                prop_assert!(ranges.is_sorted_by(|one, next| one.end <= next.start));
            }
        }
    }
}
