//! Tags: their limits, the header that carries them, and their documents.
//!
//! The limits are those of "Categorizing your objects using tags" in the Amazon S3 User Guide.

use s3s::dto::{Tag, Tagging};

/// Most tags of an object.
pub const OF_AN_OBJECT: usize = 10;

/// Most tags of a bucket.
pub const OF_A_BUCKET: usize = 50;

/// Longest key, in characters.
const MAX_KEY: usize = 128;

/// Longest value, in characters.
const MAX_VALUE: usize = 256;

/// Tags by key, ascending; no key twice.
pub type Tags = Vec<(String, String)>;

/// Why tags are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Too many.
    #[error("there are {0} tags, more than are allowed")]
    Many(usize),
    /// A key that is empty or too long.
    #[error("a tag's key has 1 to {MAX_KEY} characters")]
    Key,
    /// A value that is too long.
    #[error("a tag's value has at most {MAX_VALUE} characters")]
    Value,
    /// A character that no tag may have.
    #[error("a tag has letters, digits, spaces and + - = . _ : / @ only")]
    Character,
    /// A key that AWS keeps for itself.
    #[error("a tag's key must not start with aws:")]
    Reserved,
    /// The same key twice.
    #[error("the tag key {0} is there twice")]
    Twice(String),
}

/// Checks and sorts tags, of which there may be `most`.
pub fn check(mut tags: Tags, most: usize) -> Result<Tags, TagError> {
    if tags.len() > most {
        return Err(TagError::Many(tags.len()));
    }
    for (key, value) in &tags {
        if !(1..=MAX_KEY).contains(&key.chars().count()) {
            return Err(TagError::Key);
        }
        if value.chars().count() > MAX_VALUE {
            return Err(TagError::Value);
        }
        if !key.chars().chain(value.chars()).all(is_allowed) {
            return Err(TagError::Character);
        }
        if key.starts_with("aws:") {
            return Err(TagError::Reserved);
        }
    }
    tags.sort();
    match tags.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(TagError::Twice(pair[0].0.clone())),
        None => Ok(tags),
    }
}

fn is_allowed(character: char) -> bool {
    character.is_alphanumeric()
        || character.is_whitespace() && !character.is_control()
        || "+-=._:/@".contains(character)
}

/// The tags of an `x-amz-tagging` header, which is written like a query.
pub fn of_header(value: &str) -> Result<Tags, TagError> {
    let pairs = form_urlencoded::parse(value.as_bytes());
    check(pairs.into_owned().collect(), OF_AN_OBJECT)
}

/// The tags of a document, of which there may be `most`.
pub fn of_document(document: &Tagging, most: usize) -> Result<Tags, TagError> {
    let pairs = document.tag_set.iter().map(|tag| {
        let Tag { key, value } = tag.clone();
        (key.unwrap_or_default(), value.unwrap_or_default())
    });
    check(pairs.collect(), most)
}

/// Tags as documents show them.
pub fn set(tags: &[(String, String)]) -> Vec<Tag> {
    let tags = tags.iter().cloned().map(|(key, value)| Tag {
        key: Some(key),
        value: Some(value),
    });
    tags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_header_is_a_query() {
        let tags = of_header("foo=b%20a+r&bar");
        assert_eq!(tags, Ok(vec![tag("bar", ""), tag("foo", "b a r")]));
        assert_eq!(of_header(""), Ok(vec![]));
        assert_eq!(of_header("a=1&a=2"), Err(TagError::Twice("a".into())));
    }

    #[test]
    fn limits_count_characters() {
        let check = |key: &str, value: &str| check(vec![tag(key, value)], 1).map(drop);
        assert_eq!(check(&"é".repeat(MAX_KEY), &"é".repeat(MAX_VALUE)), Ok(()));
        assert_eq!(check(&"a".repeat(MAX_KEY + 1), ""), Err(TagError::Key));
        assert_eq!(check("", "a"), Err(TagError::Key));
        assert_eq!(check("a", &"a".repeat(MAX_VALUE + 1)), Err(TagError::Value));
        assert_eq!(check("a", "b\n"), Err(TagError::Character));
        assert_eq!(check("a<b", ""), Err(TagError::Character));
        assert_eq!(check("aws:a", ""), Err(TagError::Reserved));
        let eleven = (0..11).map(|number| tag(&number.to_string(), "")).collect();
        assert_eq!(super::check(eleven, OF_AN_OBJECT), Err(TagError::Many(11)));
    }
}
