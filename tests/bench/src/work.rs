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
    /// List the folders below the prefix, page by page, again and again
    Folders,
    /// Copy each object once, on the server
    Copy,
    /// Delete each object once
    Delete,
}

impl Work {
    /// The HTTP method.
    pub fn method(self) -> &'static str {
        match self {
            Self::Put | Self::Copy => "PUT",
            Self::Get | Self::List | Self::Folders => "GET",
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
        matches!(self, Self::Put | Self::Copy | Self::Delete)
    }

    /// Whether it asks for listings.
    pub fn lists(self) -> bool {
        matches!(self, Self::List | Self::Folders)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "PUT",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::List => "LIST",
            Self::Folders => "LIST with delimiter",
            Self::Copy => "COPY",
            Self::Delete => "DELETE",
        })
    }
}

/// How keys are called behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Names {
    /// Eight digits, counted up
    Counted,
    /// In no order, in 4,096 folders
    Scattered,
}

impl Names {
    /// The name of the object number `index`.
    pub fn of(self, index: usize) -> String {
        match self {
            Self::Counted => format!("{index:08}"),
            Self::Scattered => {
                let name = scatter(index as u64);
                format!("{:03x}/{:013x}", name >> 52, name & ((1 << 52) - 1))
            }
        }
    }
}

/// Another number for each number, in no order (splitmix64's finalizer, Steele et al. 2014).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// One signed request.
pub struct Signed {
    /// Path and query.
    pub target: String,
    /// What a copy is made of, as `x-amz-copy-source` names it.
    pub source: Option<String>,
}

/// The signed requests of a load, one per object; a listing has none, its pages are signed on the way.
pub fn requests(target: &Target, load: &Load) -> anyhow::Result<Vec<Signed>> {
    if load.work.lists() {
        return Ok(Vec::new());
    }
    let request = |index| {
        let key = format!("{}{}", load.prefix, load.names.of(index));
        if load.work != Work::Copy {
            let target = target.presign(load.work.method(), &key, "")?;
            let source = None;
            return Ok(Signed { target, source });
        }
        let source = format!("/{}/{key}", target.bucket());
        let header = Some((COPY_SOURCE, source.as_str()));
        let target = target.presign_with("PUT", &format!("{key}.copy"), "", header)?;
        let source = Some(source);
        Ok(Signed { target, source })
    };
    (0..load.objects).map(request).collect()
}

/// The header that makes a PUT a copy.
pub const COPY_SOURCE: &str = "x-amz-copy-source";

/// The signed target of one page of a listing.
pub fn page(target: &Target, load: &Load, token: Option<&str>) -> anyhow::Result<String> {
    let prefix = percent_encode(&load.prefix);
    let delimiter = if load.work == Work::Folders {
        "delimiter=%2F&"
    } else {
        ""
    };
    let mut query = format!("{delimiter}list-type=2&prefix={prefix}");
    if let Some(token) = token {
        query.push_str("&continuation-token=");
        query.push_str(&percent_encode(token));
    }
    target.presign("GET", "", &query)
}

/// What a page of a listing says.
pub struct Page {
    /// How many keys and folders it holds.
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
        keys: (text.matches("<Key>").count() + text.matches("<CommonPrefixes>").count()) as u64,
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
              <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>\
              <NextContinuationToken>a&amp;b</NextContinuationToken></ListBucketResult>",
        )
        .unwrap();
        assert_eq!(page.keys, 3);
        assert_eq!(page.next.as_deref(), Some("a&b"));
    }

    #[test]
    fn scattered_names_differ_and_have_no_order() {
        let names: Vec<_> = (0..1000).map(|index| Names::Scattered.of(index)).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_ne!(names, sorted);
        sorted.dedup();
        assert_eq!(names.len(), sorted.len());
        assert!(
            names
                .iter()
                .all(|name| name.len() == 17 && name.as_bytes()[3] == b'/')
        );
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
