//! The names of namespaces.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::email::Email;
use super::label::{LENGTHS, checked_text, has_plain_ends, is_plain};

/// Names that a host or a path may want for itself, now or later.
const RESERVED: &[&str] = &[
    "admin",
    "administrator",
    "api",
    "app",
    "assets",
    "auth",
    "billing",
    "blog",
    "bucket",
    "buckets",
    "cdn",
    "console",
    "dashboard",
    "docs",
    "fused",
    "hayrack",
    "healthz",
    "help",
    "host",
    "imap",
    "key",
    "keys",
    "local",
    "localhost",
    "login",
    "mail",
    "metrics",
    "minio",
    "namespace",
    "namespaces",
    "node",
    "ns1",
    "ns2",
    "null",
    "operator",
    "pop",
    "postmaster",
    "public",
    "rack",
    "register",
    "root",
    "router",
    "s3-api",
    "s3-console",
    "s3d",
    "security",
    "sign-up",
    "signup",
    "smtp",
    "static",
    "status",
    "support",
    "system",
    "undefined",
    "user",
    "users",
    "volumed",
    "webmaster",
    "www",
];

/// A tenant's name: a DNS label of 3 to 63 of `a-z 0-9 -`, not reserved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespaceName(String);

/// Why a text is no namespace's name; each says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceNameError {
    /// Too short or too long.
    #[error("A namespace has 3 to 63 characters; choose a longer or shorter name.")]
    Length,
    /// A character that no DNS label has.
    #[error("A namespace has only lower-case letters a-z, digits and hyphens.")]
    Character,
    /// A hyphen at an end.
    #[error("A namespace starts and ends with a letter or a digit.")]
    Hyphen,
    /// A form that DNS keeps for itself.
    #[error("A namespace has no two hyphens at its third and fourth place; move or drop one.")]
    Encoded,
    /// The rack wants the name for itself.
    #[error("This name is reserved; choose another.")]
    Reserved,
}

impl NamespaceName {
    /// Checks and wraps a name.
    pub fn new(name: impl Into<String>) -> Result<Self, NamespaceNameError> {
        let name = name.into();
        if !name.bytes().all(|byte| is_plain(byte) || byte == b'-') {
            return Err(NamespaceNameError::Character);
        }
        if !LENGTHS.contains(&name.len()) {
            // "s3" is too short, and more to the point reserved.
            let reserved = name == "s3";
            return Err(if reserved {
                NamespaceNameError::Reserved
            } else {
                NamespaceNameError::Length
            });
        }
        if !has_plain_ends(&name) {
            return Err(NamespaceNameError::Hyphen);
        }
        if name.as_bytes()[2..].starts_with(b"--") {
            return Err(NamespaceNameError::Encoded);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(NamespaceNameError::Reserved);
        }
        Ok(Self(name))
    }

    /// A name made of what stands before the `@`, with a suffix if that alone would not do or is
    /// taken. Always valid.
    pub fn derived(email: &Email, suffix: Option<&str>) -> Self {
        let mut name = String::new();
        for character in email.local().chars() {
            if character.is_ascii_alphanumeric() {
                name.push(character.to_ascii_lowercase());
            } else if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
        }
        name.truncate(40);
        let name = name.trim_end_matches('-');
        let plain = match suffix {
            None => Self::new(name),
            Some(suffix) => Self::new(format!("{name}-{suffix}")),
        };
        plain.unwrap_or_else(|_| {
            Self::new(format!("home-{}", suffix.unwrap_or(name)))
                .or_else(|_| Self::new("home-of-a-user"))
                .expect("the last resort is a valid name")
        })
    }

    /// The id by which S3 names the namespace: 64 hex digits, always the same for a name.
    pub fn canonical_id(&self) -> String {
        Self::canonical_id_of(&self.0)
    }

    /// The same for a name that was stored as text.
    pub fn canonical_id_of(name: &str) -> String {
        let digest = Sha256::new()
            .chain_update("hayrack namespace ")
            .chain_update(name)
            .finalize();
        hex::encode(digest)
    }
}

checked_text!(NamespaceName, NamespaceNameError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rules_have_names() {
        use NamespaceNameError as Error;
        let cases = [
            ("ab", Error::Length),
            ("", Error::Length),
            (&"a".repeat(64), Error::Length),
            ("Abc", Error::Character),
            ("a.b.c", Error::Character),
            ("a_b", Error::Character),
            ("äöü", Error::Character),
            ("a/b", Error::Character),
            ("-abc", Error::Hyphen),
            ("abc-", Error::Hyphen),
            ("xn--abc", Error::Encoded),
            ("s3", Error::Reserved),
            ("www", Error::Reserved),
            ("s3-api", Error::Reserved),
            ("localhost", Error::Reserved),
        ];
        for (name, error) in cases {
            assert_eq!(NamespaceName::new(name), Err(error), "{name}");
        }
        for name in ["abc", "a1-b", "123", &"a".repeat(63), "home"] {
            assert!(NamespaceName::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_canonical_id_stays_the_same() {
        // `printf 'hayrack namespace home' | sha256sum`
        let id = "83ca27727acd55b2733d513ae61f8a43418b7c46e1dcc5ef4e8a6ed03db077c3";
        assert_eq!(NamespaceName::new("home").unwrap().canonical_id(), id);
    }

    #[test]
    fn names_come_from_emails() {
        let derived = |email: &str, suffix| {
            NamespaceName::derived(&Email::new(email).unwrap(), suffix).to_string()
        };
        assert_eq!(derived("ada.lovelace@example.com", None), "ada-lovelace");
        assert_eq!(derived("ada@example.com", Some("7f3k")), "ada-7f3k");
        assert_eq!(derived("admin@example.com", None), "home-admin");
        assert_eq!(derived("a@example.com", None), "home-a");
        assert_eq!(derived("_@example.com", None), "home-of-a-user");
    }

    proptest! {
        #[test]
        fn a_derived_name_is_valid(local in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}", suffix in "[a-z2-7]{6}") {
            let email = Email::new(format!("{local}@example.com")).unwrap();
            for suffix in [None, Some(suffix.as_str())] {
                let name = NamespaceName::derived(&email, suffix);
                prop_assert_eq!(NamespaceName::new(name.to_string()), Ok(name.clone()));
                if let Some(suffix) = suffix {
                    prop_assert!(name.as_str().ends_with(suffix));
                }
            }
        }

        #[test]
        fn a_valid_name_is_a_dns_label(name in ".{0,70}") {
            if let Ok(name) = NamespaceName::new(name) {
                let name = name.as_str();
                prop_assert!((3..=63).contains(&name.len()));
                prop_assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')));
                prop_assert!(!name.starts_with('-') && !name.ends_with('-'));
            }
        }
    }
}
