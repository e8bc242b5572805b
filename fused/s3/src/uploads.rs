//! Objects that are stored in parts.

use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::error::S3Error;
use crate::metadata::Headers;
use crate::objects::{Condition, Copied, Stored, read, stored};
use crate::request::{Request, encode_path};

/// A part that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u16,
    /// Quotes included.
    pub etag: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Begun {
    upload_id: String,
}

impl Client {
    /// Begins an upload, and answers its id.
    pub async fn begin_upload(&self, key: &str, headers: &Headers) -> Result<String, S3Error> {
        let request = Request::object(Method::POST, key)
            .query("uploads", "")
            .header("x-amz-checksum-algorithm", "CRC32C")
            .headers(headers.lines());
        let answer = self.send(&request).await?;
        read::<Begun>(&answer.body).map(|begun| begun.upload_id)
    }

    /// Stores a part.
    pub async fn put_part(
        &self,
        key: &str,
        upload: &str,
        number: u16,
        body: Bytes,
    ) -> Result<Part, S3Error> {
        let request = part(key, upload, number).body(body);
        let Stored { etag } = stored(&self.send(&request).await?)?;
        Ok(Part { number, etag })
    }

    /// Takes a range of an object that still has `etag` as a part.
    pub async fn copy_part(
        &self,
        key: &str,
        upload: &str,
        number: u16,
        (source, etag): (&str, &str),
        range: Range<u64>,
    ) -> Result<Part, S3Error> {
        let source = format!("/{}/{}", self.bucket(), encode_path(source));
        let range = format!("bytes={}-{}", range.start, range.end - 1);
        let request = part(key, upload, number)
            .header("x-amz-copy-source", source)
            .header("x-amz-copy-source-range", range)
            .header("x-amz-copy-source-if-match", etag);
        let answer = self.send(&request).await?;
        let Copied { etag } = read(&answer.body)?;
        Ok(Part { number, etag })
    }

    /// Makes an object of the parts, which are in order.
    pub async fn complete_upload(
        &self,
        key: &str,
        upload: &str,
        parts: &[Part],
        condition: Condition<'_>,
    ) -> Result<Stored, S3Error> {
        let mut document = String::from("<CompleteMultipartUpload>");
        for Part { number, etag } in parts {
            let etag = quick_xml::escape::escape(etag.as_str());
            // Writing to a string does not fail.
            let _ = write!(
                document,
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            );
        }
        document.push_str("</CompleteMultipartUpload>");
        let request = Request::object(Method::POST, key)
            .query("uploadId", upload)
            .document(document);
        let answer = self.send(&condition.on(request)).await?;
        let Copied { etag } = read(&answer.body)?;
        Ok(Stored { etag })
    }

    /// Gives an upload up; its parts go.
    pub async fn abort_upload(&self, key: &str, upload: &str) -> Result<(), S3Error> {
        let request = Request::object(Method::DELETE, key).query("uploadId", upload);
        self.send(&request).await.map(drop)
    }
}

fn part(key: &str, upload: &str, number: u16) -> Request {
    Request::object(Method::PUT, key)
        .query("partNumber", &number.to_string())
        .query("uploadId", upload)
}
