//! A described listing in lines of JSON, for clients that list a lot: it is half as long as XML, and a
//! fraction of the work to write and to read.

use http::HeaderMap;
use http::header::ACCEPT;
use s3d_bucket::{Key, ListEntry, ListPage, Object};
use serde::{Serialize, Serializer};

use super::described::{Description, Marker};

/// The type of such an answer, and what a client accepts that wants it.
pub const KIND: &str = "application/jsonl";

/// Whether a client asks for lines of JSON.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accepted| accepted == KIND)
}

/// A line.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'l> {
    Object(Described<'l>),
    Prefix {
        prefix: &'l str,
        /// The object whose key is the prefix itself.
        marker: Option<Described<'l>>,
    },
    /// The last line; with what asks for the next page, if there is one.
    End {
        next: Option<&'l str>,
    },
}

#[derive(Serialize)]
struct Described<'l> {
    key: &'l str,
    etag: String,
    size: u64,
    /// Milliseconds since 1970.
    modified: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Headers>,
    #[serde(skip_serializing_if = "String::is_empty")]
    tags: String,
}

impl<'l> Described<'l> {
    fn new(key: &'l Key, object: &Object, description: Description) -> Self {
        Self {
            key: key.as_str(),
            etag: format!("\"{}\"", object.attributes.etag),
            size: object.size,
            modified: object.modified.0,
            headers: description.headers.map(Headers),
            tags: description.tags,
        }
    }
}

/// Names and values, written as a map.
struct Headers(Vec<(String, String)>);

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let headers = self.0.iter();
        serializer.collect_map(headers.map(|(name, value)| (name, value)))
    }
}

/// The lines of a page, in the order of their names. `markers`: those of its prefixes.
pub fn document(
    next: Option<&str>,
    page: &ListPage,
    markers: &[Option<Marker>],
    describe: impl Fn(&Key, &Object) -> Description,
) -> serde_json::Result<Vec<u8>> {
    let described = |key, object: &Object| Described::new(key, object, describe(key, object));
    let mut document = Vec::new();
    let mut write = |line: &Line<'_>| {
        serde_json::to_writer(&mut document, line)?;
        document.push(b'\n');
        Ok(())
    };
    let mut markers = markers.iter();
    for entry in &page.entries {
        write(&match entry {
            ListEntry::Object(key, object) => Line::Object(described(key, object)),
            ListEntry::Prefix(prefix) => {
                let marker = markers.next().and_then(Option::as_ref);
                let marker = marker.map(|(key, object)| described(key, object));
                Line::Prefix { prefix, marker }
            }
        })?;
    }
    write(&Line::End { next })?;
    Ok(document)
}
