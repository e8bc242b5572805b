//! `If-Match` and its kin (RFC 9110 §13).

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName};
use s3d_bucket::{Condition, Object, Precondition, Timestamp, Unmet};
use s3s::dto::ETag;

use super::etag::{self, Comparison};
use super::http_date;

/// What comes of a read's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The object is given.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not the one that was meant.
    Failed(Precondition),
}

/// Takes the conditions of a request out of its headers.
pub fn take(headers: &mut HeaderMap) -> Condition {
    let names = [
        IF_MATCH,
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
    ];
    take_named(headers, names)
}

/// Takes those out of headers that are about the source of a copy, or of a rename.
pub fn take_of_source(headers: &mut HeaderMap) -> Condition {
    let names = if headers.contains_key("x-amz-rename-source") {
        [
            "x-amz-rename-source-if-match",
            "x-amz-rename-source-if-none-match",
            "x-amz-rename-source-if-modified-since",
            "x-amz-rename-source-if-unmodified-since",
        ]
    } else {
        [
            "x-amz-copy-source-if-match",
            "x-amz-copy-source-if-none-match",
            "x-amz-copy-source-if-modified-since",
            "x-amz-copy-source-if-unmodified-since",
        ]
    };
    take_named(headers, names.map(HeaderName::from_static))
}

fn take_named(headers: &mut HeaderMap, names: [HeaderName; 4]) -> Condition {
    let [matches, none_match, modified, unmodified] = names;
    let condition = Condition {
        if_match: etag::read(headers.get_all(&matches), Comparison::Strong),
        if_none_match: etag::read(headers.get_all(&none_match), Comparison::Weak),
        if_modified_since: take_date(headers, &modified),
        if_unmodified_since: take_date(headers, &unmodified),
        ..Condition::default()
    };
    headers.remove(matches);
    headers.remove(none_match);
    condition
}

/// A date that is none is as good as absent.
fn take_date(headers: &mut HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let date = headers.remove(name)?;
    http_date::read(date.to_str().ok()?)
}

/// What comes of the conditions of a read.
pub fn evaluate(condition: &Condition, object: &Object) -> ReadOutcome {
    match condition.check(Some(object)) {
        Ok(()) | Err(Unmet::NoObject) => ReadOutcome::Proceed,
        Err(Unmet::Precondition(unmet)) => match unmet {
            Precondition::IfNoneMatch | Precondition::IfModifiedSince => ReadOutcome::NotModified,
            unmet => ReadOutcome::Failed(unmet),
        },
    }
}

/// What a request asks of the current object before it is written or deleted. `If-Modified-Since` is
/// a condition of reads alone (RFC 9110 §13.1.3).
pub fn of_write(condition: &Condition) -> Condition {
    Condition {
        if_modified_since: None,
        ..condition.clone()
    }
}

/// The object has this ETag.
pub fn etag_is(etag: &ETag) -> Condition {
    Condition::etag(etag.value())
}

#[cfg(test)]
mod tests {
    use s3d_bucket::{Attributes, EtagMatch};

    use super::*;

    fn object() -> Object {
        let attributes = Attributes {
            etag: "abc".into(),
            ..Attributes::default()
        };
        Object {
            modified: Timestamp(784_111_777_500),
            attributes,
            ..Object::default()
        }
    }

    fn conditions(pairs: &[(HeaderName, &str)]) -> Condition {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().expect("a value"));
        }
        let conditions = take(&mut headers);
        assert!(headers.is_empty());
        conditions
    }

    fn outcome(pairs: &[(HeaderName, &str)]) -> ReadOutcome {
        evaluate(&conditions(pairs), &object())
    }

    #[test]
    fn etags_come_before_dates() {
        let old = "Sun, 06 Nov 1994 08:49:36 GMT";
        assert_eq!(outcome(&[]), ReadOutcome::Proceed);
        let failed = ReadOutcome::Failed(Precondition::IfMatch);
        assert_eq!(outcome(&[(IF_MATCH, "\"x\"")]), failed);
        let both = [(IF_MATCH, "\"x\", \"abc\""), (IF_UNMODIFIED_SINCE, old)];
        assert_eq!(outcome(&both), ReadOutcome::Proceed);
        let had = [(IF_NONE_MATCH, "W/\"abc\"")];
        assert_eq!(outcome(&had), ReadOutcome::NotModified);
        let differs = [
            (IF_NONE_MATCH, "\"x\""),
            (IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:38 GMT"),
        ];
        assert_eq!(outcome(&differs), ReadOutcome::Proceed);
    }

    #[test]
    fn dates_have_whole_seconds_and_many_forms() {
        for same in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            let since = outcome(&[(IF_MODIFIED_SINCE, same)]);
            assert_eq!(since, ReadOutcome::NotModified);
            let unless = outcome(&[(IF_UNMODIFIED_SINCE, same)]);
            assert_eq!(unless, ReadOutcome::Proceed);
        }
        let before = "Sun, 06 Nov 1994 08:49:36 GMT";
        let since = outcome(&[(IF_MODIFIED_SINCE, before)]);
        assert_eq!(since, ReadOutcome::Proceed);
        let failed = ReadOutcome::Failed(Precondition::IfUnmodifiedSince);
        assert_eq!(outcome(&[(IF_UNMODIFIED_SINCE, before)]), failed);
    }

    #[test]
    fn what_is_no_date_is_passed_over() {
        for text in ["", "0", "1994-11-06T08:49:37Z", "yesterday"] {
            let both = [(IF_MODIFIED_SINCE, text), (IF_UNMODIFIED_SINCE, text)];
            assert_eq!(outcome(&both), ReadOutcome::Proceed, "{text}");
        }
    }

    #[test]
    fn a_write_has_all_conditions_but_one() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let of = |pairs: &[(HeaderName, &str)]| of_write(&conditions(pairs));
        assert_eq!(of(&[]), Condition::default());
        assert_eq!(of(&[(IF_NONE_MATCH, "*")]), Condition::absent());
        assert_eq!(of(&[(IF_MATCH, "*")]), Condition::present());
        assert_eq!(of(&[(IF_MATCH, "\"abc\"")]), Condition::etag("abc"));
        assert_eq!(of(&[(IF_MODIFIED_SINCE, date)]), Condition::default());
        let both = of(&[(IF_NONE_MATCH, "\"a\", \"b\""), (IF_UNMODIFIED_SINCE, date)]);
        let tags = EtagMatch::OneOf(vec!["a".into(), "b".into()]);
        assert_eq!(both.if_none_match, Some(tags));
        assert_eq!(both.if_unmodified_since, Some(Timestamp(784_111_777_000)));
    }
}
