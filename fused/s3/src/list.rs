//! Listings, page by page.

use std::time::{SystemTime, UNIX_EPOCH};

use http::Method;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::client::Client;
use crate::error::S3Error;
use crate::request::Request;

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// Quotes included.
        etag: String,
        /// Length in bytes.
        size: u64,
        /// When it was written.
        modified: SystemTime,
    },
    /// What several keys begin with, the `/` at its end included.
    Prefix(String),
}

impl Entry {
    /// The key or the prefix.
    pub fn name(&self) -> &str {
        match self {
            Self::Object { key, .. } => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A page of a listing, in the order of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// What it lists.
    pub entries: Vec<Entry>,
    /// What asks for the next page, if there is one.
    pub next: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Document {
    encoding_type: Option<String>,
    contents: Vec<Content>,
    common_prefixes: Vec<CommonPrefix>,
    next_continuation_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
    #[serde(rename = "ETag", default)]
    etag: String,
    size: u64,
    #[serde(default)]
    last_modified: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

impl Client {
    /// What lies below `prefix`: with `folded`, keys that have another `/` behind it as one prefix.
    /// `next`: from the page before. At most `limit` lines, and at most 1,000.
    pub async fn list(
        &self,
        prefix: &str,
        folded: bool,
        next: Option<&str>,
        limit: usize,
    ) -> Result<Page, S3Error> {
        let mut request = Request::bucket(Method::GET)
            .query("list-type", "2")
            .query("encoding-type", "url")
            .query("max-keys", &limit.to_string())
            .query("prefix", prefix);
        if folded {
            request = request.query("delimiter", "/");
        }
        if let Some(next) = next {
            request = request.query("continuation-token", next);
        }
        page(&self.send(&request).await?.body)
    }
}

/// Reads a ListObjectsV2 answer.
pub(crate) fn page(document: &[u8]) -> Result<Page, S3Error> {
    let unreadable = |error: &dyn std::fmt::Display| {
        S3Error::nonsense(format!("a listing cannot be read: {error}"))
    };
    let text = std::str::from_utf8(document).map_err(|error| unreadable(&error))?;
    let document: Document = quick_xml::de::from_str(text).map_err(|error| unreadable(&error))?;
    let encoded = document.encoding_type.as_deref() == Some("url");
    let decode = |name: String| {
        if !encoded {
            return Ok(name);
        }
        // Some servers write a blank as a plus sign there.
        let name = name.replace('+', " ");
        let decoded = percent_decode_str(&name).decode_utf8();
        decoded.map(Into::into).map_err(|error| unreadable(&error))
    };
    let mut entries = Vec::new();
    for content in document.contents {
        entries.push(Entry::Object {
            key: decode(content.key)?,
            etag: content.etag,
            size: content.size,
            modified: time(&content.last_modified),
        });
    }
    for CommonPrefix { prefix } in document.common_prefixes {
        entries.push(Entry::Prefix(decode(prefix)?));
    }
    entries.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(Page {
        entries,
        next: document.next_continuation_token,
    })
}

/// `2026-11-29T05:12:32.000Z`, as listings write times.
fn time(text: &str) -> SystemTime {
    let parsed = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
    parsed.map_or(UNIX_EPOCH, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
            <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Name>b</Name><Prefix>d%2F</Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys>\
            <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>x&amp;y</NextContinuationToken>\
            <CommonPrefixes><Prefix>d/a%0Ab/</Prefix></CommonPrefixes>\
            <Contents><Key>d/100%25+z</Key><LastModified>2026-11-29T05:12:32.500Z</LastModified>\
            <ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>\
            </ListBucketResult>";
        let page = page(document.as_bytes()).unwrap();
        assert_eq!(page.next.as_deref(), Some("x&y"));
        assert_eq!(page.entries[1], Entry::Prefix("d/a\nb/".into()));
        let Entry::Object {
            key,
            etag,
            size,
            modified,
        } = &page.entries[0]
        else {
            panic!("{page:?}");
        };
        assert_eq!(
            (key.as_str(), etag.as_str(), *size),
            ("d/100% z", "\"e\"", 7)
        );
        let since = modified.duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(since.as_millis(), 1_795_929_152_500);
    }

    #[test]
    fn an_empty_page_is_read() {
        let page = page(b"<ListBucketResult><Name>b</Name></ListBucketResult>").unwrap();
        assert_eq!(page, Page::default());
        assert!(super::page(b"<ListBucketResult><Name>").is_err());
    }
}
