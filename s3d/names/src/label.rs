//! What the names of buckets and namespaces share: they are made of DNS labels.

use std::ops::RangeInclusive;

/// Characters of a name.
pub const LENGTHS: RangeInclusive<usize> = 3..=63;

/// Whether a byte may begin and end a label.
pub fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether a label is not empty and has a letter or a digit at both ends.
pub fn has_plain_ends(label: &str) -> bool {
    let ends = [label.bytes().next(), label.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(is_plain))
}

/// What every checked text has: conversions that check, and the text itself.
macro_rules! checked_text {
    ($name:ident, $error:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

pub(crate) use checked_text;
