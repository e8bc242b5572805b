//! Query strings, and the percent-encoding of listings.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The decoded names and values of a query.
pub struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    /// Decodes a query.
    pub fn parse(query: Option<&'q str>) -> Self {
        let query = query.unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).collect())
    }

    /// The names and values in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is a parameter of this name.
    pub fn has(&self, wanted: &str) -> bool {
        self.0.iter().any(|(name, _)| name == wanted)
    }

    /// The value of the parameter of this name, if there is just one.
    pub fn only(&self, wanted: &str) -> Option<&str> {
        let mut values = self.pairs().filter(|(name, _)| *name == wanted);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }
}

const LISTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b'*');

/// A key as a listing with `encoding-type=url` shows it.
pub fn encode(key: &str) -> String {
    utf8_percent_encode(key, LISTED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_so_that_both_readings_of_plus_are_right() {
        assert_eq!(encode("a b+c/d.é&"), "a%20b%2Bc/d.%C3%A9%26");
    }

    #[test]
    fn names_and_values_are_decoded() {
        let query = Query::parse(Some("a%62=c+d&e"));
        let pairs: Vec<_> = query.pairs().collect();
        assert_eq!(pairs, [("ab", "c d"), ("e", "")]);
        assert!(query.has("e") && !query.has("c d"));
    }
}
