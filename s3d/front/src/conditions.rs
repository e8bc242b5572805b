//! `If-Match` and its kin.

use s3d_bucket::{Condition, Object, Timestamp};
use s3s::dto::{ETag, ETagCondition};

/// What a read asks of the object, as RFC 9110 §13 orders it.
#[derive(Debug, Clone, Default)]
pub struct ReadConditions {
    /// `If-Match`.
    pub matches: Option<ETagCondition>,
    /// `If-None-Match`.
    pub differs: Option<ETagCondition>,
    /// `If-Modified-Since`.
    pub modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<Timestamp>,
}

/// What comes of a read's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The object is given.
    Give,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not the one that was meant.
    Failed,
}

impl ReadConditions {
    /// Judges an object.
    pub fn judge(&self, object: &Object) -> Verdict {
        let etag = &object.attributes.etag;
        // HTTP dates have whole seconds.
        let modified = object.modified.0 / 1000;
        let failed = match (&self.matches, self.unmodified_since) {
            (Some(condition), _) => !holds(condition, etag),
            (None, Some(time)) => modified > time.0 / 1000,
            (None, None) => false,
        };
        if failed {
            return Verdict::Failed;
        }
        let had = match (&self.differs, self.modified_since) {
            (Some(condition), _) => holds(condition, etag),
            (None, Some(time)) => modified <= time.0 / 1000,
            (None, None) => false,
        };
        if had {
            Verdict::NotModified
        } else {
            Verdict::Give
        }
    }
}

fn holds(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}

/// Why a write's conditions cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteConditionError {
    /// Only `If-None-Match: *` means something for a write.
    #[error("If-None-Match of a write must be *")]
    NoneMatchEtag,
    /// Both were given.
    #[error("If-Match and If-None-Match exclude each other")]
    Both,
}

/// What a write asks of the current object.
pub fn write_condition(
    matches: Option<&ETagCondition>,
    differs: Option<&ETagCondition>,
) -> Result<Condition, WriteConditionError> {
    match (matches, differs) {
        (None, None) => Ok(Condition::default()),
        (None, Some(ETagCondition::Any)) => Ok(Condition::absent()),
        (None, Some(ETagCondition::ETag(_))) => Err(WriteConditionError::NoneMatchEtag),
        (Some(ETagCondition::Any), None) => Ok(Condition::present()),
        (Some(ETagCondition::ETag(etag)), None) => Ok(etag_is(etag)),
        (Some(_), Some(_)) => Err(WriteConditionError::Both),
    }
}

/// The object has this ETag.
pub fn etag_is(etag: &ETag) -> Condition {
    Condition::etag(etag.value())
}

#[cfg(test)]
mod tests {
    use s3d_bucket::Attributes;

    use super::*;

    fn object() -> Object {
        let attributes = Attributes {
            etag: "abc".into(),
            ..Attributes::default()
        };
        Object {
            modified: Timestamp(5_500),
            attributes,
            ..Object::default()
        }
    }

    fn condition(text: &str) -> Option<ETagCondition> {
        let parsed = ETagCondition::parse_http_header(text.as_bytes());
        (!text.is_empty()).then(|| parsed.expect("a condition"))
    }

    #[test]
    fn etags_come_before_dates() {
        let judge = |conditions: ReadConditions| conditions.judge(&object());
        let none = ReadConditions::default;
        assert_eq!(judge(none()), Verdict::Give);
        let other = ReadConditions {
            matches: condition("\"x\""),
            ..none()
        };
        assert_eq!(judge(other), Verdict::Failed);
        let both = ReadConditions {
            matches: condition("\"abc\""),
            unmodified_since: Some(Timestamp(0)),
            ..none()
        };
        assert_eq!(judge(both), Verdict::Give);
        let had = ReadConditions {
            differs: condition("\"abc\""),
            ..none()
        };
        assert_eq!(judge(had), Verdict::NotModified);
        let differs = ReadConditions {
            differs: condition("\"x\""),
            modified_since: Some(Timestamp(9_000)),
            ..none()
        };
        assert_eq!(judge(differs), Verdict::Give);
    }

    #[test]
    fn dates_have_whole_seconds() {
        let judge = |conditions: ReadConditions| conditions.judge(&object());
        let since = |time| ReadConditions {
            modified_since: Some(Timestamp(time)),
            ..Default::default()
        };
        assert_eq!(judge(since(5_000)), Verdict::NotModified);
        assert_eq!(judge(since(4_000)), Verdict::Give);
        let unless = |time| ReadConditions {
            unmodified_since: Some(Timestamp(time)),
            ..Default::default()
        };
        assert_eq!(judge(unless(5_000)), Verdict::Give);
        assert_eq!(judge(unless(4_000)), Verdict::Failed);
    }

    #[test]
    fn a_write_asks_for_absence_presence_or_an_etag() {
        let of = |matches: &str, differs: &str| {
            write_condition(condition(matches).as_ref(), condition(differs).as_ref())
        };
        assert_eq!(of("", ""), Ok(Condition::default()));
        assert_eq!(of("", "*"), Ok(Condition::absent()));
        assert_eq!(of("*", ""), Ok(Condition::present()));
        assert_eq!(of("\"abc\"", ""), Ok(Condition::etag("abc")));
        assert_eq!(of("", "\"abc\""), Err(WriteConditionError::NoneMatchEtag));
        assert_eq!(of("*", "*"), Err(WriteConditionError::Both));
    }
}
