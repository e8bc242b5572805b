//! Lists of entity tags, as `If-Match` and `If-None-Match` have them (RFC 9110 §8.8.3).

use http::HeaderValue;
use s3d_bucket::EtagMatch;

/// How tags are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// A weak tag is equal to none (`If-Match`).
    Strong,
    /// A weak tag counts as the strong one of its value (`If-None-Match`).
    Weak,
}

/// The tags that the values of a header name; `None` if they name none. Tags without quotes are
/// taken, as S3 takes them.
pub fn read<'v>(
    values: impl IntoIterator<Item = &'v HeaderValue>,
    comparison: Comparison,
) -> Option<EtagMatch> {
    let (mut etags, mut named) = (Vec::new(), false);
    for value in values {
        let text = String::from_utf8_lossy(value.as_bytes());
        for item in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            named = true;
            match (item, item.strip_prefix("W/")) {
                ("*", _) => return Some(EtagMatch::Any),
                (_, Some(_)) if comparison == Comparison::Strong => {}
                (_, weak) => etags.push(weak.unwrap_or(item).trim_matches('"').to_owned()),
            }
        }
    }
    named.then_some(EtagMatch::OneOf(etags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, comparison: Comparison) -> Option<EtagMatch> {
        read([&text.parse().expect("a value")], comparison)
    }

    fn one_of(etags: &[&str]) -> EtagMatch {
        EtagMatch::OneOf(etags.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_and_weak_tags_are_read() {
        let list = r#" "a", W/"b" ,c"#;
        assert_eq!(of(list, Comparison::Weak), Some(one_of(&["a", "b", "c"])));
        assert_eq!(of(list, Comparison::Strong), Some(one_of(&["a", "c"])));
        // It names a tag, and no object has it.
        assert_eq!(of("W/\"b\"", Comparison::Strong), Some(one_of(&[])));
        let values = ["\"a\"", "\"b\""].map(HeaderValue::from_static);
        assert_eq!(read(&values, Comparison::Strong), Some(one_of(&["a", "b"])));
    }

    #[test]
    fn a_star_is_any_tag() {
        assert_eq!(of("*", Comparison::Strong), Some(EtagMatch::Any));
        assert_eq!(of("", Comparison::Strong), None);
        assert_eq!(of(" , ", Comparison::Weak), None);
    }
}
