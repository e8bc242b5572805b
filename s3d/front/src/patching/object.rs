//! Writing into an object.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, header};
use s3d_bucket::{Attributes, ChangeError, Found, Key, Object, Patch, Timestamp, Unmet};
use s3s::dto::TimestampFormat;
use s3s::{Body, S3Request, S3Response, S3Result};

use super::ranges::{self, PatchError};
use crate::appending::{checksum_of_both, etag_of_both};
use crate::attributes::{self, timestamp};
use crate::conditions::of_write;
use crate::context::RequestContext;
use crate::error;
use crate::ingest::{Claims, ingest};
use crate::operations::Operations;
use crate::refusal::Refusal;
use crate::resource::object_key;
use crate::writing::payload;

impl Operations {
    /// Writes ranges into an object, or behind it.
    pub async fn patch(&self, request: &S3Request<Body>) -> S3Result<S3Response<Body>> {
        let context = RequestContext::of(request)?;
        let key = object_key(&request.uri, &context.addressing)?;
        let key = Key::new(key).map_err(error::key)?;
        let ranges = ranges::read(&request.headers)?;
        let replaced = replaced(request)?;
        let condition = of_write(&context.headers.condition);
        let open = self.open(request).await?;
        let found = open.find(&key).await;
        let found = found.map_err(|refusal| error::read(&refusal))?;
        let found = found.ok_or(Refusal::NoSuchKey)?;
        // The bucket looks again, but the body need not be read for this.
        if let Err(Unmet::Precondition(unmet)) = condition.check(Some(&found)) {
            return Err(error::change(&ChangeError::ConditionFailed(unmet)));
        }
        if ranges[0].start > found.size {
            return Err(PatchError::Gap(found.size).into());
        }
        let appends = ranges.len() == 1 && ranges[0].start == found.size;
        let mut claims = Claims::read(&request.headers)?;
        if appends {
            let kept = found.attributes.checksum.as_ref();
            claims.algorithm = claims.algorithm.or(kept.map(|kept| kept.algorithm));
        }
        let taken = ingest(&open, &self.hashers, payload(request)?, claims).await?;
        let checksum = match taken.checksum {
            Some(more) if appends => checksum_of_both(&found, Some(more), taken.body.length()),
            _ => None,
        };
        let (headers, metadata) = replaced.map(|it| (it.headers, it.metadata)).unzip();
        let patch = Patch {
            onto: found.sequence,
            etag: etag_of(&found, &taken.etag, &ranges),
            checksum,
            ranges,
            headers,
            metadata,
        };
        let stored = open.patch(key, patch, taken.body, condition).await;
        let stored = stored.map_err(|refusal| error::change(&refusal))?;
        Ok(answer(&stored.object))
    }
}

/// What the request has in place of the object's headers and metadata, if it has.
fn replaced(request: &S3Request<Body>) -> S3Result<Option<Attributes>> {
    let directive = request.headers.get("x-amz-metadata-directive");
    match directive.map(HeaderValue::as_bytes) {
        None | Some(b"COPY") => Ok(None),
        Some(b"REPLACE") => {
            let headers = &RequestContext::of(request)?.headers;
            Ok(Some(attributes::read(headers)?))
        }
        Some(_) => Err(PatchError::Directive.into()),
    }
}

/// The ETag of an object with other bytes in these ranges: like that of an append, of the ranges as
/// `FIRST-LAST,FIRST-LAST` and of the bytes' MD5. A client that knows it beforehand knows its own write
/// again when the answer was lost.
fn etag_of(found: &Found, bytes: &str, ranges: &[Range<u64>]) -> String {
    let ranges = ranges
        .iter()
        .map(|it| format!("{}-{}", it.start, it.end - 1));
    let ranges = ranges.collect::<Vec<_>>().join(",");
    etag_of_both(&found.attributes.etag, &(ranges + bytes))
}

fn iso(time: Timestamp) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = timestamp(time).format(TimestampFormat::DateTime, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn answer(stored: &Object) -> S3Response<Body> {
    let modified = iso(stored.modified);
    let etag = &stored.attributes.etag;
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PatchObjectResult><Object>\
         <LastModified>{modified}</LastModified><ETag>&quot;{etag}&quot;</ETag>\
         </Object></PatchObjectResult>"
    );
    let mut headers = HeaderMap::new();
    let xml = HeaderValue::from_static("application/xml");
    headers.insert(header::CONTENT_TYPE, xml);
    if let Ok(etag) = HeaderValue::try_from(format!("\"{etag}\"")) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert("x-amz-object-size", HeaderValue::from(stored.size));
    let mut answer = S3Response::new(Body::from(document));
    answer.headers = headers;
    answer
}
