//! The names of buckets, by the rules of S3.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::label::{LENGTHS, checked_text, has_plain_ends, is_plain};

const PREFIXES: &[&str] = &["xn--", "sthree-", "amzn-s3-demo-"];
const SUFFIXES: &[&str] = &["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// Names that a host or a path of the rack may want for itself: the S3 and REST listeners share
/// them with what is created.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "assets",
    "auth",
    "buckets",
    "console",
    "hayrack",
    "healthz",
    "localhost",
    "metrics",
    "openapi.json",
    "s3-api",
    "s3-console",
    "s3d",
    "static",
    "volumed",
    "www",
];

/// A bucket's name, unique in the rack: 3 to 63 of `a-z 0-9 . -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(String);

/// Why a text is no bucket's name; each says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BucketNameError {
    /// Too short or too long.
    #[error("A bucket name has 3 to 63 characters; choose a longer or shorter one.")]
    Length,
    /// A character that no bucket name has.
    #[error("A bucket name has only lower-case letters a-z, digits, hyphens and dots.")]
    Character,
    /// A label that starts or ends with a hyphen, or is empty.
    #[error(
        "A bucket name, and each part of it between dots, starts and ends with a letter or a digit."
    )]
    Ends,
    /// Four numbers between dots.
    #[error("A bucket name does not look like an IP address; choose another.")]
    Address,
    /// A prefix that S3 keeps for itself.
    #[error("A bucket name does not start with xn--, sthree- or amzn-s3-demo-; choose another.")]
    Prefix,
    /// A suffix that S3 keeps for itself.
    #[error(
        "A bucket name does not end with -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3; choose another."
    )]
    Suffix,
    /// The rack wants the name for itself.
    #[error("This name is reserved; choose another.")]
    Reserved,
}

impl BucketName {
    /// Checks and wraps a name.
    pub fn new(name: impl Into<String>) -> Result<Self, BucketNameError> {
        let name = name.into();
        if !name
            .bytes()
            .all(|byte| is_plain(byte) || b"-.".contains(&byte))
        {
            return Err(BucketNameError::Character);
        }
        if !LENGTHS.contains(&name.len()) {
            return Err(BucketNameError::Length);
        }
        if !name.split('.').all(has_plain_ends) {
            return Err(BucketNameError::Ends);
        }
        let numbers = |name: &str| {
            name.split('.').count() == 4
                && name
                    .bytes()
                    .all(|byte| byte == b'.' || byte.is_ascii_digit())
        };
        if name.parse::<Ipv4Addr>().is_ok() || numbers(&name) {
            return Err(BucketNameError::Address);
        }
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(BucketNameError::Prefix);
        }
        if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            return Err(BucketNameError::Suffix);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(BucketNameError::Reserved);
        }
        Ok(Self(name))
    }
}

checked_text!(BucketName, BucketNameError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rules_have_names() {
        use BucketNameError as Error;
        let cases = [
            ("ab", Error::Length),
            (&"a".repeat(64), Error::Length),
            ("My-bucket", Error::Character),
            ("a_b", Error::Character),
            ("a/../b", Error::Character),
            ("a\0b", Error::Character),
            ("-abc", Error::Ends),
            ("abc.", Error::Ends),
            ("a..b", Error::Ends),
            ("a.-b", Error::Ends),
            ("192.168.5.4", Error::Address),
            ("999.1.1.1", Error::Address),
            ("xn--abc", Error::Prefix),
            ("sthree-abc", Error::Prefix),
            ("abc-s3alias", Error::Suffix),
            ("abc--ol-s3", Error::Suffix),
            ("abc--x-s3", Error::Suffix),
            ("console", Error::Reserved),
        ];
        for (name, error) in cases {
            assert_eq!(BucketName::new(name), Err(error), "{name}");
        }
        for name in [
            "abc",
            "my.bucket-1",
            "0ab",
            "1.2.3",
            "s3-test-bucket",
            &"a".repeat(63),
        ] {
            assert!(BucketName::new(name).is_ok(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_valid_name_is_safe_everywhere(name in ".{0,70}|[a-z0-9.-]{0,70}") {
            if let Ok(name) = BucketName::new(name) {
                let name = name.as_str();
                prop_assert!((3..=63).contains(&name.len()));
                prop_assert!(!name.contains("..") && !name.contains('/') && !name.starts_with('.'));
                prop_assert!(name.is_ascii() && name == name.to_lowercase());
                prop_assert!(name.parse::<Ipv4Addr>().is_err());
            }
        }

        #[test]
        fn ordinary_names_are_taken(name in "[b-r][a-w0-9]{6}(-[a-z0-9]{3}){0,9}") {
            prop_assert!(BucketName::new(name).is_ok());
        }
    }
}
