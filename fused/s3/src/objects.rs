//! Objects: read, written, copied, renamed, removed.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::S3Error;
use crate::metadata::Headers;
use crate::request::{Answer, Request, encode_path};

/// An object as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Quotes included, as the server writes it.
    pub etag: String,
    /// Length in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: SystemTime,
    /// What is stored with it.
    pub headers: Headers,
}

/// What a write answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The new object's ETag, quotes included.
    pub etag: String,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition<'a> {
    /// Nothing.
    #[default]
    None,
    /// There is no such object.
    Absent,
    /// The object has this ETag.
    Etag(&'a str),
}

impl Condition<'_> {
    pub(crate) fn on(self, request: Request) -> Request {
        match self {
            Self::None => request,
            Self::Absent => request.header("if-none-match", "*"),
            Self::Etag(etag) => request.header("if-match", etag),
        }
    }
}

impl Client {
    /// What there is to know of an object without its bytes.
    pub async fn head(&self, key: &str) -> Result<Object, S3Error> {
        let answer = self.send(&Request::object(Method::HEAD, key)).await?;
        let size = answer.header("content-length");
        let size = size.and_then(|size| size.parse().ok());
        object(&answer, size.unwrap_or(0))
    }

    /// Bytes of an object that still has `etag`; fewer than asked for at its end.
    pub async fn get(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, S3Error> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let request = Request::object(Method::GET, key)
            .header("range", format!("bytes={}-{}", range.start, range.end - 1))
            .header("if-match", etag)
            .expecting(range.end - range.start);
        Ok(self.send(&request).await?.body)
    }

    /// Stores an object whole.
    pub async fn put(
        &self,
        key: &str,
        headers: &Headers,
        body: Bytes,
        condition: Condition<'_>,
    ) -> Result<Stored, S3Error> {
        let request = Request::object(Method::PUT, key)
            .headers(headers.lines())
            .body(body);
        stored(&self.send(&condition.on(request)).await?)
    }

    /// Writes into an object that still has `etag`, all ranges or none, and gives it these headers.
    /// Hayrack can, and S3 cannot. The ranges are in order and not empty, and `body` has their bytes.
    pub async fn patch(
        &self,
        key: &str,
        etag: &str,
        headers: &Headers,
        ranges: &[Range<u64>],
        body: Bytes,
    ) -> Result<Stored, S3Error> {
        let request = Request::object(Method::PATCH, key)
            .header("content-range", format!("bytes {}/*", written(ranges)))
            .header("x-amz-metadata-directive", "REPLACE")
            .headers(headers.lines())
            .body(body);
        stored(&self.send(&Condition::Etag(etag).on(request)).await?)
    }

    /// Gives an object that still has `etag` other headers; its bytes stay.
    pub async fn set_headers(
        &self,
        key: &str,
        etag: &str,
        headers: &Headers,
    ) -> Result<Stored, S3Error> {
        self.copy_as(key, etag, key, headers, Condition::None).await
    }

    /// Copies the bytes of an object that still has `etag`; the copy gets other headers. `condition` is
    /// about what the copy replaces: Hayrack minds it.
    pub async fn copy_as(
        &self,
        from: &str,
        etag: &str,
        to: &str,
        headers: &Headers,
        condition: Condition<'_>,
    ) -> Result<Stored, S3Error> {
        let request = self
            .copy_request(from, to, etag)
            .header("x-amz-metadata-directive", "REPLACE")
            .headers(headers.lines());
        self.copied(&condition.on(request)).await
    }

    /// Copies an object that still has `etag`, headers and all.
    pub async fn copy(&self, from: &str, etag: &str, to: &str) -> Result<Stored, S3Error> {
        self.copied(&self.copy_request(from, to, etag)).await
    }

    async fn copied(&self, request: &Request) -> Result<Stored, S3Error> {
        let answer = self.send(request).await?;
        let Copied { etag } = read(&answer.body)?;
        Ok(Stored { etag })
    }

    fn copy_request(&self, from: &str, to: &str, etag: &str) -> Request {
        let source = format!("/{}/{}", self.bucket(), encode_path(from));
        Request::object(Method::PUT, to)
            .header("x-amz-copy-source", source)
            .header("x-amz-copy-source-if-match", etag)
    }

    /// Moves an object to another key, replacing what is there if `replace`. No byte moves.
    pub async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), S3Error> {
        let source = format!("/{}/{}", self.bucket(), encode_path(from));
        let mut request = Request::object(Method::PUT, to)
            .query("renameObject", "")
            .header("x-amz-rename-source", source)
            .header("x-amz-client-token", token());
        if !replace {
            request = Condition::Absent.on(request);
        }
        self.send(&request).await.map(drop)
    }

    /// Removes an object; one that is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<(), S3Error> {
        self.send(&Request::object(Method::DELETE, key))
            .await
            .map(drop)
    }
}

/// Ranges as HTTP writes them: `FIRST-LAST,FIRST-LAST`.
pub(crate) fn written(ranges: &[Range<u64>]) -> String {
    let ranges = ranges
        .iter()
        .map(|it| format!("{}-{}", it.start, it.end - 1));
    ranges.collect::<Vec<_>>().join(",")
}

/// Names one wish, however often it is sent.
fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Reads the document of an answer. Some operations fail behind a status of 200: then it is an error.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, S3Error> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    quick_xml::de::from_str(text)
        .map_err(|_| S3Error::of_answer(http::StatusCode::INTERNAL_SERVER_ERROR, body))
}

/// What a copy and a completed upload answer.
#[derive(Deserialize)]
pub(crate) struct Copied {
    #[serde(rename = "ETag")]
    pub etag: String,
}

pub(crate) fn stored(answer: &Answer) -> Result<Stored, S3Error> {
    let etag = answer.header("etag").map(str::to_owned);
    let etag = etag.ok_or_else(|| S3Error::nonsense("a write was answered without an ETag"))?;
    Ok(Stored { etag })
}

fn object(answer: &Answer, size: u64) -> Result<Object, S3Error> {
    let modified = answer.header("last-modified");
    Ok(Object {
        etag: stored(answer)?.etag,
        size,
        modified: modified
            .and_then(|it| httpdate::parse_http_date(it).ok())
            .unwrap_or(UNIX_EPOCH),
        headers: Headers::of_answer(&answer.headers),
    })
}
