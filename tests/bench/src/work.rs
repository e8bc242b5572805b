//! The kinds of load, and the requests that each is made of.

use std::fmt;

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;

use crate::load::Load;
use crate::sign::Target;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Store each object once
    Put,
    /// Read objects again and again, in scattered order
    Get,
    /// Ask for objects' headers again and again, in scattered order
    Head,
    /// List what the prefix holds, page by page, again and again
    List,
    /// Delete each object once
    Delete,
}

impl Work {
    /// The HTTP method.
    pub fn method(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Get | Self::List => "GET",
            Self::Head => "HEAD",
            Self::Delete => "DELETE",
        }
    }

    /// The status of a success.
    pub fn success(self) -> u16 {
        if self == Self::Delete { 204 } else { 200 }
    }

    /// Whether an object can have one turn only.
    pub fn is_once(self) -> bool {
        matches!(self, Self::Put | Self::Delete)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "PUT",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::List => "LIST",
            Self::Delete => "DELETE",
        })
    }
}

/// The signed targets of a load, one per object; a listing has none, its pages are signed on the way.
pub fn targets(target: &Target, load: &Load) -> anyhow::Result<Vec<String>> {
    if load.work == Work::List {
        return Ok(Vec::new());
    }
    (0..load.objects)
        .map(|index| {
            target.presign(
                load.work.method(),
                &format!("{}{index:08}", load.prefix),
                "",
            )
        })
        .collect()
}

/// The signed target of one page of a listing.
pub fn page(target: &Target, prefix: &str, token: Option<&str>) -> anyhow::Result<String> {
    let mut query = format!("list-type=2&prefix={}", percent_encode(prefix));
    if let Some(token) = token {
        query.push_str("&continuation-token=");
        query.push_str(&percent_encode(token));
    }
    target.presign("GET", "", &query)
}

/// What a page of a listing says.
pub struct Page {
    /// How many keys it holds.
    pub keys: u64,
    /// Where the next one begins.
    pub next: Option<String>,
}

/// Reads what the loop needs of a ListObjectsV2 answer.
pub fn read_page(body: &[u8]) -> anyhow::Result<Page> {
    let text = std::str::from_utf8(body).context("the listing is not UTF-8")?;
    let next = text
        .split_once("<NextContinuationToken>")
        .and_then(|(_, rest)| rest.split_once("</NextContinuationToken>"))
        .map(|(token, _)| unescape(token));
    Ok(Page {
        keys: text.matches("<Key>").count() as u64,
        next,
    })
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&amp;", "&")
}

fn percent_encode(text: &str) -> String {
    use fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes every write");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read() {
        let page = read_page(
            b"<ListBucketResult><Contents><Key>a</Key></Contents><Contents><Key>b</Key></Contents>\
              <NextContinuationToken>a&amp;b</NextContinuationToken></ListBucketResult>",
        )
        .unwrap();
        assert_eq!(page.keys, 2);
        assert_eq!(page.next.as_deref(), Some("a&b"));
    }

    #[test]
    fn the_last_page_names_no_next() {
        assert!(
            read_page(b"<ListBucketResult></ListBucketResult>")
                .unwrap()
                .next
                .is_none()
        );
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(percent_encode("a/b c=~"), "a%2Fb%20c%3D~");
    }
}
