//! Conditions: what must hold of an object for something to be done with it.

use crate::object::{Object, Timestamp};

/// What must hold of the current object, as RFC 9110 §13 orders it; evaluated in the moment of the
/// change itself (B2). The default holds always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// `If-Match`.
    pub if_match: Option<EtagMatch>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagMatch>,
    /// `If-Modified-Since`; nothing beside `if_none_match`. HTTP's dates have whole seconds.
    pub if_modified_since: Option<Timestamp>,
    /// `If-Unmodified-Since`; nothing beside `if_match`.
    pub if_unmodified_since: Option<Timestamp>,
    /// The object has this size (`x-amz-if-match-size`).
    pub size: Option<u64>,
    /// It was modified in this second (`x-amz-if-match-last-modified-time`).
    pub modified: Option<Timestamp>,
    /// It is the very object that was seen, by [`Object::sequence`], whatever its attributes.
    pub sequence: Option<u64>,
}

/// Which ETags a condition names, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtagMatch {
    /// Any (`*`).
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// There is no object, and the condition asks for one.
    NoObject,
    /// The object is another than this asks for.
    Precondition(Precondition),
}

/// One field of a [`Condition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "they are named after the fields")]
pub enum Precondition {
    #[error("If-Match")]
    IfMatch,
    #[error("If-None-Match")]
    IfNoneMatch,
    #[error("If-Modified-Since")]
    IfModifiedSince,
    #[error("If-Unmodified-Since")]
    IfUnmodifiedSince,
    #[error("the size")]
    Size,
    #[error("the time of the last change")]
    Modified,
    #[error("the object that was seen")]
    Sequence,
}

impl EtagMatch {
    fn matches(&self, object: &Object) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(etags) => etags.contains(&object.attributes.etag),
        }
    }
}

impl Condition {
    /// No object has the key (`If-None-Match: *`).
    pub fn absent() -> Self {
        Self {
            if_none_match: Some(EtagMatch::Any),
            ..Self::default()
        }
    }

    /// An object has the key (`If-Match: *`).
    pub fn present() -> Self {
        Self {
            if_match: Some(EtagMatch::Any),
            ..Self::default()
        }
    }

    /// The object has this ETag, without quotes.
    pub fn etag(etag: impl Into<String>) -> Self {
        Self {
            if_match: Some(EtagMatch::OneOf(vec![etag.into()])),
            ..Self::default()
        }
    }

    /// The object is the very one that was seen.
    pub fn seen(object: &Object) -> Self {
        Self {
            sequence: Some(object.sequence),
            ..Self::default()
        }
    }

    /// Whether it holds of the object that the key has, and if not, what does not.
    pub fn check(&self, object: Option<&Object>) -> Result<(), Unmet> {
        let Some(object) = object else {
            return if self.needs_object() {
                Err(Unmet::NoObject)
            } else {
                Ok(())
            };
        };
        match self.unmet(object) {
            Some(precondition) => Err(Unmet::Precondition(precondition)),
            None => Ok(()),
        }
    }

    fn needs_object(&self) -> bool {
        self.if_match.is_some()
            || self.size.is_some()
            || self.modified.is_some()
            || self.sequence.is_some()
    }

    fn unmet(&self, object: &Object) -> Option<Precondition> {
        let seconds = |time: Timestamp| time.0 / 1000;
        let modified = seconds(object.modified);
        let differs = |wanted: Option<u64>, found: u64| wanted.is_some_and(|it| it != found);
        if differs(self.sequence, object.sequence) {
            return Some(Precondition::Sequence);
        }
        if differs(self.size, object.size) {
            return Some(Precondition::Size);
        }
        if differs(self.modified.map(seconds), modified) {
            return Some(Precondition::Modified);
        }
        match (&self.if_match, self.if_unmodified_since) {
            (Some(etags), _) if !etags.matches(object) => return Some(Precondition::IfMatch),
            (None, Some(time)) if modified > seconds(time) => {
                return Some(Precondition::IfUnmodifiedSince);
            }
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(etags), _) if etags.matches(object) => Some(Precondition::IfNoneMatch),
            (None, Some(time)) if modified <= seconds(time) => Some(Precondition::IfModifiedSince),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::Attributes;
    use crate::object::Blob;

    fn object() -> Object {
        Object {
            size: 7,
            modified: Timestamp(5_500),
            sequence: 40,
            attributes: Attributes {
                etag: "abc".into(),
                ..Attributes::default()
            },
            upload: None,
            parts: Vec::new(),
            blob: Blob::default(),
        }
    }

    fn unmet(condition: &Condition) -> Option<Precondition> {
        match condition.check(Some(&object())) {
            Ok(()) => None,
            Err(Unmet::Precondition(precondition)) => Some(precondition),
            Err(Unmet::NoObject) => panic!("there is an object"),
        }
    }

    #[test]
    fn some_conditions_ask_for_an_object() {
        for condition in [
            Condition::present(),
            Condition::etag("abc"),
            Condition::seen(&object()),
            Condition {
                size: Some(7),
                ..Condition::default()
            },
        ] {
            assert_eq!(condition.check(None), Err(Unmet::NoObject));
            assert_eq!(unmet(&condition), None);
        }
        assert_eq!(Condition::default().check(None), Ok(()));
        assert_eq!(Condition::absent().check(None), Ok(()));
        assert_eq!(unmet(&Condition::absent()), Some(Precondition::IfNoneMatch));
    }

    #[test]
    fn lists_match_by_any_of_their_etags() {
        let list = || Some(EtagMatch::OneOf(vec!["x".into(), "abc".into()]));
        let matching = Condition {
            if_match: list(),
            ..Condition::default()
        };
        assert_eq!(unmet(&matching), None);
        let differing = Condition {
            if_none_match: list(),
            ..Condition::default()
        };
        assert_eq!(unmet(&differing), Some(Precondition::IfNoneMatch));
        assert_eq!(unmet(&Condition::etag("x")), Some(Precondition::IfMatch));
    }

    #[test]
    fn dates_have_whole_seconds_and_stand_behind_etags() {
        let since = |time| Condition {
            if_modified_since: Some(Timestamp(time)),
            ..Condition::default()
        };
        assert_eq!(unmet(&since(5_000)), Some(Precondition::IfModifiedSince));
        assert_eq!(unmet(&since(4_999)), None);
        let unless = |time| Condition {
            if_unmodified_since: Some(Timestamp(time)),
            ..Condition::default()
        };
        assert_eq!(unmet(&unless(5_000)), None);
        assert_eq!(unmet(&unless(4_999)), Some(Precondition::IfUnmodifiedSince));
        let both = Condition {
            if_unmodified_since: Some(Timestamp(0)),
            ..Condition::etag("abc")
        };
        assert_eq!(unmet(&both), None);
        let both = Condition {
            if_none_match: Some(EtagMatch::OneOf(vec!["x".into()])),
            ..since(9_000)
        };
        assert_eq!(unmet(&both), None);
    }

    #[test]
    fn size_time_and_identity_are_compared() {
        let other = |condition| unmet(&condition);
        let none = Condition::default;
        let size = Condition {
            size: Some(8),
            ..none()
        };
        assert_eq!(other(size), Some(Precondition::Size));
        let modified = Condition {
            modified: Some(Timestamp(6_000)),
            ..none()
        };
        assert_eq!(other(modified), Some(Precondition::Modified));
        let sequence = Condition {
            sequence: Some(41),
            ..none()
        };
        assert_eq!(other(sequence), Some(Precondition::Sequence));
        let same = Condition {
            size: Some(7),
            modified: Some(Timestamp(5_000)),
            sequence: Some(40),
            ..none()
        };
        assert_eq!(other(same), None);
    }
}
