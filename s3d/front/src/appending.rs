//! PutObject with `x-amz-write-offset-bytes`: what is put goes on an object, or begins one.

use http::HeaderMap;
use s3d_bucket::{
    Addition, Bucket, ChangeError, Checksum, ChecksumAlgorithm, Condition, EtagMatch, Found, Key,
    Object, Unmet,
};
use s3d_md5::Md5;
use s3s::dto::{PutObjectInput, PutObjectOutput};
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result};

use super::checksum;
use super::conditions::of_write;
use super::context::RequestContext;
use super::error;
use super::ingest::{Claims, ingest};
use super::operations::Operations;
use super::signature::key::hex;
use super::writing::{answer, payload};

/// Why nothing is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The object does not end there.
    #[error("the write offset value that you specified does not match the current object size")]
    WriteOffset,
    /// There are no bytes.
    #[error("the request body cannot be empty when a write offset is specified")]
    Empty,
    /// The object is there, and keeps what it was created with.
    #[error(
        "cannot specify both a write offset value and user-defined metadata, tags or an ACL for \
         existing objects"
    )]
    Described,
    /// The object has a checksum of another algorithm.
    #[error(
        "checksum type mismatch occurred, expected checksum type: {expected}, actual: {actual}"
    )]
    Algorithm {
        /// That of the object.
        expected: &'static str,
        /// That of the request.
        actual: &'static str,
    },
}

/// Where a put wants to go on, if it does. s3s takes an empty header for none, and the object would
/// be replaced.
pub fn write_offset(headers: &HeaderMap) -> Result<Option<u64>, AppendError> {
    let Some(header) = headers.get("x-amz-write-offset-bytes") else {
        return Ok(None);
    };
    let offset = header.to_str().ok().and_then(|text| text.parse().ok());
    offset.map(Some).ok_or(AppendError::WriteOffset)
}

impl Operations {
    /// Appends to an object, or begins it.
    pub(super) async fn append(
        &self,
        mut request: S3Request<PutObjectInput>,
        offset: u64,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let key = Key::new(request.input.key.as_str()).map_err(error::key)?;
        let open = self.open(&request).await?;
        let found = open.find(&key).await;
        let stored = match found.map_err(|refusal| error::read(&refusal))? {
            Some(found) => self.go_on(&request, &open, key, &found, offset).await?,
            None => self.begin(&mut request, offset).await?,
        };
        let mut answer = answer(&stored);
        answer.output.size = i64::try_from(stored.size).ok();
        Ok(answer)
    }

    async fn begin(
        &self,
        request: &mut S3Request<PutObjectInput>,
        offset: u64,
    ) -> S3Result<Object> {
        if offset > 0 {
            return Err(AppendError::WriteOffset.into());
        }
        let asked = of_write(&RequestContext::of(request)?.headers.condition);
        let absent = Condition {
            if_none_match: Some(EtagMatch::Any),
            ..asked.clone()
        };
        let stored = self.put_new(request, absent, true).await;
        stored.map_err(|refusal| match refusal.code() {
            // Another one began it meanwhile.
            S3ErrorCode::PreconditionFailed if asked.if_none_match.is_none() => {
                AppendError::WriteOffset.into()
            }
            _ => refusal,
        })
    }

    async fn go_on(
        &self,
        request: &S3Request<PutObjectInput>,
        open: &Bucket,
        key: Key,
        found: &Found,
        offset: u64,
    ) -> S3Result<Object> {
        let headers = &RequestContext::of(request)?.headers;
        let condition = of_write(&headers.condition);
        // The bucket looks again, but the body need not be read for this.
        if let Err(Unmet::Precondition(unmet)) = condition.check(Some(found)) {
            return Err(error::change(&ChangeError::ConditionFailed(unmet)));
        }
        if found.size != offset {
            return Err(AppendError::WriteOffset.into());
        }
        check_described(&request.headers, &headers.object)?;
        let kept = found.attributes.checksum.as_ref();
        let kept = kept.filter(|_| found.size > 0);
        let mut claims = Claims::read(&request.headers)?;
        claims.algorithm = algorithm(kept, claims.algorithm)?;
        let taken = ingest(open, &self.hashers, payload(request)?, claims).await?;
        let length = taken.body.length();
        if length == 0 {
            return Err(AppendError::Empty.into());
        }
        let addition = Addition {
            offset,
            onto: found.sequence,
            etag: etag_of_both(&found.attributes.etag, &taken.etag),
            checksum: checksum_of_both(found, taken.checksum, length),
        };
        let stored = open.append(key, addition, taken.body, condition).await;
        Ok(stored.map_err(|refusal| error::change(&refusal))?.object)
    }
}

/// An object keeps what describes it from its creation; whoever sends something else would take it
/// for set.
fn check_described(headers: &HeaderMap, object: &HeaderMap) -> Result<(), AppendError> {
    let is_metadata = |name: &str| name.starts_with("x-amz-meta-");
    let is_other = |name: &str| {
        name == "x-amz-tagging" || name == "x-amz-acl" || name.starts_with("x-amz-grant-")
    };
    let described = object.keys().any(|name| is_metadata(name.as_str()))
        || headers.keys().any(|name| is_other(name.as_str()));
    if described {
        Err(AppendError::Described)
    } else {
        Ok(())
    }
}

/// The algorithm of an addition's checksum: the one that is asked for, or that the object has. It may
/// not be another one than that.
fn algorithm(
    kept: Option<&Checksum>,
    asked: Option<ChecksumAlgorithm>,
) -> Result<Option<ChecksumAlgorithm>, AppendError> {
    match (kept.map(|kept| kept.algorithm), asked) {
        (Some(expected), Some(actual)) if expected != actual => Err(AppendError::Algorithm {
            expected: checksum::name(expected),
            actual: checksum::name(actual),
        }),
        (expected, actual) => Ok(actual.or(expected)),
    }
}

/// The checksum of an object with `length` more bytes: an empty one takes that of the bytes, two of
/// the whole become one where the algorithm allows it, and what else there was is true no more.
pub fn checksum_of_both(object: &Object, more: Option<Checksum>, length: u64) -> Option<Checksum> {
    if object.size == 0 {
        return more;
    }
    let kept = object.attributes.checksum.as_ref()?;
    checksum::of_both([(object.size, kept), (length, &more?)])
}

/// The ETag of an object with more bytes. It is no MD5 of them, which could not be had without
/// reading them all, and as one of a multipart upload says so by the number behind it.
pub fn etag_of_both(etag: &str, more: &str) -> String {
    let pieces = etag
        .rsplit_once('-')
        .and_then(|(_, pieces)| pieces.parse().ok());
    let pieces = pieces.unwrap_or(1_u64).saturating_add(1);
    let mut md5 = Md5::new();
    md5.update(etag.as_bytes());
    md5.update(more.as_bytes());
    format!("{}-{pieces}", hex(&md5.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_count_and_depend_on_both() {
        let first = etag_of_both("a", "b");
        assert_eq!(first, etag_of_both("a", "b"));
        assert!(first.len() == 34 && first.ends_with("-2"), "{first}");
        assert!(etag_of_both(&first, "b").ends_with("-3"));
        assert!(etag_of_both("a-10000", "b").ends_with("-10001"));
        assert_ne!(first, etag_of_both("a", "c"));
        assert_ne!(first, etag_of_both("b", "b"));
    }
}
