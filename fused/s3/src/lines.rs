//! Listings in lines of JSON, as Hayrack writes them.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::S3Error;
use crate::list::{Entry, Marker, Page, whole_seconds};
use crate::metadata::Headers;
use crate::objects::Object;

/// The type of such a listing.
pub(crate) const KIND: &str = "application/jsonl";

/// An object, a prefix, or the end.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Line {
    key: Option<String>,
    etag: String,
    size: u64,
    /// Milliseconds since 1970.
    modified: u64,
    /// What is stored with it, if the caller may know that.
    headers: Option<Stored>,
    prefix: Option<String>,
    /// The object whose key is the prefix itself.
    marker: Option<Box<Line>>,
    /// What asks for the next page.
    next: Option<String>,
}

/// Headers: names in lower case, and values.
struct Stored(Headers);

impl<'de> Deserialize<'de> for Stored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StoredVisitor)
    }
}

struct StoredVisitor;

impl<'de> Visitor<'de> for StoredVisitor {
    type Value = Stored;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("headers")
    }

    /// Without a map in between: this is most of the work of a listing.
    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Stored, M::Error> {
        let mut headers = Headers::default();
        while let Some((name, value)) = map.next_entry()? {
            headers.add(name, value);
        }
        Ok(Stored(headers))
    }
}

impl Line {
    /// What it lists, or what asks for the next page behind it.
    fn read(self) -> Result<Entry, Option<String>> {
        let modified = UNIX_EPOCH.checked_add(Duration::from_millis(self.modified));
        match (self.key, self.prefix) {
            (Some(key), _) => Ok(Entry::Object {
                key,
                etag: self.etag,
                size: self.size,
                modified: modified.unwrap_or(UNIX_EPOCH),
                headers: self.headers.map(|Stored(headers)| headers),
            }),
            (None, Some(prefix)) => Ok(Entry::Prefix {
                prefix,
                marker: self.marker.map_or(Marker::Absent, |marker| marker.marker()),
            }),
            (None, None) => Err(self.next),
        }
    }

    fn marker(self) -> Marker {
        let Ok(Entry::Object {
            etag,
            size,
            modified,
            headers: Some(headers),
            ..
        }) = self.read()
        else {
            return Marker::Unknown;
        };
        Marker::Object(Object {
            etag,
            size,
            modified: whole_seconds(modified),
            headers,
        })
    }
}

/// Reads a page.
///
/// # Errors
/// When it has other lines, or no end.
pub fn page(document: &[u8]) -> Result<Page, S3Error> {
    let mut page = Page::default();
    for line in document.split(|byte| *byte == b'\n') {
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| S3Error::nonsense(format!("a listing cannot be read: {error}")))?;
        match line.read() {
            Ok(entry) => page.entries.push(entry),
            Err(next) => {
                page.next = next;
                return Ok(page);
            }
        }
    }
    Err(S3Error::nonsense("a listing has no end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let document = r#"{"key":"d/a\n\"","etag":"\"e\"","size":7,"modified":1795929152500,"headers":{"content-type":"text/plain","x-amz-meta-mode":"33188"}}
{"key":"d/b","etag":"\"f\"","size":1,"modified":0}
{"prefix":"d/c/","marker":null}
{"prefix":"d/d/","marker":{"key":"d/d/","etag":"\"g\"","size":0,"modified":1795929152500,"headers":{"x-amz-meta-mode":"16877"}}}
{"prefix":"d/e/","marker":{"key":"d/e/","etag":"\"g\"","size":0,"modified":0}}
{"next":"x&y"}
"#;
        let page = page(document.as_bytes()).unwrap();
        assert_eq!(page.next.as_deref(), Some("x&y"));
        let [
            Entry::Object {
                key,
                etag,
                size: 7,
                modified,
                headers: Some(headers),
            },
            Entry::Object { headers: None, .. },
            Entry::Prefix {
                marker: Marker::Absent,
                ..
            },
            Entry::Prefix {
                prefix,
                marker: Marker::Object(marker),
            },
            Entry::Prefix {
                marker: Marker::Unknown,
                ..
            },
        ] = &page.entries[..]
        else {
            panic!("{page:?}");
        };
        assert_eq!((key.as_str(), etag.as_str()), ("d/a\n\"", "\"e\""));
        let since = modified.duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(since.as_millis(), 1_795_929_152_500);
        assert_eq!(headers.get("mode"), Some("33188"));
        let standard = [("content-type".to_owned(), "text/plain".to_owned())];
        assert_eq!(headers.standard, standard);
        assert_eq!(prefix, "d/d/");
        assert_eq!(marker.headers.get("mode"), Some("16877"));
    }

    #[test]
    fn a_page_ends_with_its_last_line() {
        assert_eq!(page(b"{\"next\":null}\n").unwrap(), Page::default());
        for cut in ["", "{\"key\":\"a\"}\n", "{\"key\":\"a\"", "[1]"] {
            assert!(page(cut.as_bytes()).is_err(), "{cut:?}");
        }
    }
}
