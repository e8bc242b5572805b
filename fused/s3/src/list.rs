//! Listings, page by page.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::client::Client;
use crate::error::S3Error;
use crate::lines;
use crate::metadata::Headers;
use crate::objects::Object;
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
        /// What is stored with it, if that was asked for and the server said it.
        headers: Option<Headers>,
    },
    /// What several keys begin with.
    Prefix {
        /// The `/` at its end included.
        prefix: String,
        /// The object of that key, if it was asked for.
        marker: Marker,
    },
}

/// The object whose key is a prefix itself, as the marker of a folder is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Marker {
    /// The server did not say.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// There is this.
    Object(Object),
}

impl Entry {
    /// The key or the prefix.
    pub fn name(&self) -> &str {
        match self {
            Self::Object { key, .. } => key,
            Self::Prefix { prefix, .. } => prefix,
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
    user_metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
    marker: Option<MarkerContent>,
}

/// Empty when there is no marker.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MarkerContent {
    #[serde(rename = "ETag")]
    etag: Option<String>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    last_modified: String,
    user_metadata: Option<BTreeMap<String, String>>,
}

impl MarkerContent {
    fn read(self) -> Marker {
        let Some(etag) = self.etag else {
            return Marker::Absent;
        };
        let Some(headers) = self.user_metadata else {
            return Marker::Unknown;
        };
        Marker::Object(Object {
            etag,
            size: self.size,
            modified: whole_seconds(time(&self.last_modified)),
            headers: Headers::of_listing(headers),
        })
    }
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
        let request = list_request(prefix, folded, next, limit);
        page(&self.send(&request).await?.body)
    }

    /// The same, folded, and with what is stored with each object: so Hayrack answers, and MinIO but
    /// for the markers. `after`: keys up to this are left out.
    pub async fn list_described(
        &self,
        prefix: &str,
        after: Option<&str>,
        next: Option<&str>,
        limit: usize,
    ) -> Result<Page, S3Error> {
        let mut request = list_request(prefix, true, next, limit)
            .query("metadata", "true")
            // Hayrack answers so, and MinIO in XML.
            .header("accept", lines::KIND);
        if let Some(after) = after {
            request = request.query("start-after", after);
        }
        let answer = self.send(&request).await?;
        if answer.header("content-type") == Some(lines::KIND) {
            lines::page(&answer.body)
        } else {
            page(&answer.body)
        }
    }
}

fn list_request(prefix: &str, folded: bool, next: Option<&str>, limit: usize) -> Request {
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
    request
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
            headers: content.user_metadata.map(Headers::of_listing),
        });
    }
    for CommonPrefix { prefix, marker } in document.common_prefixes {
        entries.push(Entry::Prefix {
            prefix: decode(prefix)?,
            marker: marker.map_or(Marker::Unknown, MarkerContent::read),
        });
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

/// As the header `Last-Modified` has times: what both say of an object is the same.
pub fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
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
        let folder = Entry::Prefix {
            prefix: "d/a\nb/".into(),
            marker: Marker::Unknown,
        };
        assert_eq!(page.entries[1], folder);
        let Entry::Object {
            key,
            etag,
            size,
            modified,
            headers: None,
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
    fn what_is_stored_with_objects_is_read() {
        let document = "<ListBucketResult><Contents><Key>a</Key><ETag>&quot;e&quot;</ETag>\
            <Size>7</Size><LastModified>2026-11-29T05:12:32.500Z</LastModified><UserMetadata>\
            <content-type>text/plain</content-type><X-Amz-Meta-Mode>33188</X-Amz-Meta-Mode>\
            <X-Amz-Meta-Empty></X-Amz-Meta-Empty><X-Amz-Meta-Word>&lt;a &amp; b&gt;</X-Amz-Meta-Word>\
            <X-Minio-Internal-X>y</X-Minio-Internal-X></UserMetadata></Contents>\
            <Contents><Key>b</Key><ETag>f</ETag><Size>1</Size></Contents>\
            <CommonPrefixes><Prefix>c/</Prefix><Marker></Marker></CommonPrefixes>\
            <CommonPrefixes><Prefix>d/</Prefix><Marker><ETag>g</ETag><Key>d/</Key><Size>0</Size>\
            <UserMetadata><X-Amz-Meta-Mode>16877</X-Amz-Meta-Mode></UserMetadata></Marker>\
            </CommonPrefixes></ListBucketResult>";
        let page = page(document.as_bytes()).unwrap();
        let [
            Entry::Object {
                headers: Some(headers),
                ..
            },
            Entry::Object { headers: None, .. },
            Entry::Prefix {
                marker: Marker::Absent,
                ..
            },
            Entry::Prefix {
                marker: Marker::Object(marker),
                ..
            },
        ] = &page.entries[..]
        else {
            panic!("{page:?}");
        };
        let standard = [("content-type".to_owned(), "text/plain".to_owned())];
        assert_eq!(headers.standard, standard);
        assert_eq!(headers.get("mode"), Some("33188"));
        assert_eq!(headers.get("word"), Some("<a & b>"));
        assert_eq!(headers.get("empty"), Some(""));
        assert_eq!(headers.user.len(), 3);
        assert_eq!(
            (marker.etag.as_str(), marker.headers.get("mode")),
            ("g", Some("16877"))
        );
    }

    #[test]
    fn an_empty_page_is_read() {
        let page = page(b"<ListBucketResult><Name>b</Name></ListBucketResult>").unwrap();
        assert_eq!(page, Page::default());
        assert!(super::page(b"<ListBucketResult><Name>").is_err());
    }
}
