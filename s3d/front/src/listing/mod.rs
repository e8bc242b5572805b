//! Listings: of objects, of versions, of uploads and of their parts.

mod described;
mod json;
mod objects;
mod uploads;

use s3s::dto::EncodingType;

use super::query;
use super::refusal::Refusal;

pub use described::describes;
pub use objects::lines;

/// Most lines of a page.
const MAX_LINES: i32 = 1000;

/// How many lines a page may have: what the client asks for, at most [`MAX_LINES`].
pub fn limit(asked: Option<i32>) -> Result<i32, Refusal> {
    match asked {
        Some(asked) if asked < 0 => Err(Refusal::Argument(
            "the number of lines of a page must not be negative",
        )),
        asked => Ok(asked.unwrap_or(MAX_LINES).min(MAX_LINES)),
    }
}

/// How names are written: as they are, or percent-encoded.
#[derive(Clone, Copy)]
pub struct Names {
    encoded: bool,
}

impl Names {
    pub fn of(encoding: Option<&EncodingType>) -> Result<Self, Refusal> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { encoded: false }),
            Some(EncodingType::URL) => Ok(Self { encoded: true }),
            Some(_) => Err(Refusal::Argument("the encoding-type must be url")),
        }
    }

    /// The prefix in an answer of version 1: clients take it there as it is, encoded or not.
    pub fn write_v1_prefix(self, prefix: &str) -> String {
        // XML 1.0 §2.2 knows no other control characters.
        let fits = |it: char| !it.is_control() || matches!(it, '\t' | '\n' | '\r');
        if prefix.chars().all(fits) {
            prefix.to_owned()
        } else {
            self.write(prefix)
        }
    }

    pub fn write(self, name: &str) -> String {
        if self.encoded {
            query::encode(name)
        } else {
            name.replace(cannot_be_in_xml, "\u{fffd}")
        }
    }
}

/// Whether XML 1.0 (§2.2) has no way to write a letter, not even as a reference. A client that has
/// such keys asks for them encoded.
fn cannot_be_in_xml(letter: char) -> bool {
    matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_in_xml() {
        let plain = Names::of(None).expect("plain");
        assert_eq!(plain.write("a\n\u{1}é"), "a\n\u{fffd}é");
        let encoding = EncodingType::from_static(EncodingType::URL);
        let encoded = Names::of(Some(&encoding)).expect("encoded");
        assert_eq!(encoded.write("\u{1}"), "%01");
    }

    #[test]
    fn pages_are_limited() {
        assert_eq!(limit(None), Ok(1000));
        assert_eq!(limit(Some(5000)), Ok(1000));
        assert_eq!(limit(Some(0)), Ok(0));
        assert!(limit(Some(-1)).is_err());
    }
}
