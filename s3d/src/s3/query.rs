//! Query strings, and the percent-encoding of listings.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The decoded names and values of a query.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes())
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
        let query: Vec<_> = pairs("a%62=c+d&e").collect();
        assert_eq!(
            query,
            [("ab".into(), "c d".into()), ("e".into(), "".into())]
        );
    }
}
