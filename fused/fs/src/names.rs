//! How the segments of keys are shown as file names.
//!
//! A key's segments are what lies between its slashes. A segment is its own file name, with three
//! exceptions, so that every object can be reached:
//!
//! - A segment that cannot be a file name (an empty one, `.`, `..`, or one with a NUL) is shown as
//!   `%fused-` and the segment, percent-encoded. So `a//b` is `a/%fused-/b`.
//! - A segment that itself begins as such a name does is shown in the same way.
//! - When there are both `blue` and `blue/x`, `blue` is the directory, and the object is shown as
//!   `%fused=blue`.
//!
//! A segment whose name would be longer than [`MAX_NAME`] is not shown.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest file name, in bytes, as on other file systems.
pub const MAX_NAME: usize = 255;

/// Begins the name of a segment that cannot be a name itself.
const ESCAPED: &str = "%fused-";
/// Begins the name of an object whose segment is also a directory's.
const BESIDE: &str = "%fused=";

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// Dots too, where they are all there is.
const DOTS: &AsciiSet = &KEPT.add(b'.');

/// The name that shows a segment; `None`: it is not shown.
pub fn shown(segment: &str) -> Option<Cow<'_, str>> {
    let name = if is_plain(segment) {
        Cow::Borrowed(segment)
    } else {
        Cow::Owned(escaped(ESCAPED, segment))
    };
    (name.len() <= MAX_NAME).then_some(name)
}

/// The name that shows an object whose segment is also a directory's; `None`: it is not shown.
pub fn shown_beside_directory(segment: &str) -> Option<String> {
    let name = escaped(BESIDE, segment);
    (name.len() <= MAX_NAME).then_some(name)
}

/// The segment that a file name stands for; `None`: there is no such name.
pub fn segment(name: &str) -> Option<Cow<'_, str>> {
    for prefix in [ESCAPED, BESIDE] {
        let Some(encoded) = name.strip_prefix(prefix) else {
            continue;
        };
        let segment = percent_decode_str(encoded).decode_utf8().ok()?;
        // Each segment has one name of either kind, so that no file has two.
        let one = escaped(prefix, &segment) == name && (prefix == BESIDE || !is_plain(&segment));
        return (one && !segment.contains('/')).then_some(segment);
    }
    is_plain(name).then_some(Cow::Borrowed(name))
}

/// Whether a name is that of an object beside a directory.
pub fn is_beside_directory(name: &str) -> bool {
    name.starts_with(BESIDE)
}

fn is_plain(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && !segment.contains('\0')
        && !segment.starts_with(ESCAPED)
        && !segment.starts_with(BESIDE)
}

fn escaped(prefix: &str, segment: &str) -> String {
    let kept = if segment.bytes().all(|byte| byte == b'.') {
        DOTS
    } else {
        KEPT
    };
    format!("{prefix}{}", utf8_percent_encode(segment, kept))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_their_own() {
        for name in [
            "blue", "a b", "100%25", "%", "~", "...", ".hidden", "ü", "\\", "\n",
        ] {
            assert_eq!(shown(name).unwrap(), name);
            assert_eq!(segment(name).unwrap(), name);
        }
    }

    #[test]
    fn what_is_no_file_name_is_escaped() {
        for (given, name) in [
            ("", "%fused-"),
            (".", "%fused-%2E"),
            ("..", "%fused-%2E%2E"),
            ("a\0b", "%fused-a%00b"),
            ("%fused-x", "%fused-%25fused-x"),
            ("%fused=x", "%fused-%25fused%3Dx"),
        ] {
            assert_eq!(shown(given).unwrap(), name);
            assert_eq!(segment(name).unwrap(), given);
            assert!(!is_beside_directory(name));
        }
        assert_eq!(shown_beside_directory("blue").unwrap(), "%fused=blue");
        assert_eq!(segment("%fused=blue").unwrap(), "blue");
        assert!(is_beside_directory("%fused=blue"));
    }

    #[test]
    fn each_segment_has_one_escaped_name() {
        assert_eq!(segment("%fused=%62lue"), None);
        assert_eq!(segment("%fused-blue"), None);
        assert_eq!(segment("%fused-a%2Fb"), None);
        assert_eq!(segment("%fused-%FF"), None);
        assert_eq!(segment("."), None);
        assert_eq!(shown(&"x".repeat(256)), None);
    }

    proptest! {
        #[test]
        fn a_shown_name_leads_back(given in "[^/]{0,40}") {
            let name = shown(&given).map(Cow::into_owned);
            if let Some(name) = name {
                prop_assert_eq!(segment(&name).unwrap(), given.clone());
                prop_assert!(!name.contains('/') && !name.is_empty());
            }
            if let Some(name) = shown_beside_directory(&given) {
                prop_assert_eq!(segment(&name).unwrap(), given);
            }
        }

        #[test]
        fn a_name_stands_for_one_segment(name in "(%fused[=-])?[^/\0]{1,20}") {
            if let Some(found) = segment(&name) {
                let names = [shown(&found).map(Cow::into_owned), shown_beside_directory(&found)];
                prop_assert!(names.contains(&Some(name)));
            }
        }
    }
}
