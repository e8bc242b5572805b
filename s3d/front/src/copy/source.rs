//! What is copied: which object, whether the caller may read it, and whether it is the one meant.

use std::ops::Range;
use std::sync::Arc;

use s3d_bucket::{Condition, Key, Object, Unmet};
use s3d_buckets::{BucketRecord, NodeNumber, OpenBucketError};
use s3s::dto::CopySource;
use s3s::{S3Request, S3Result};

use crate::access::{self, ObjectUse, caller, permitted};
use crate::context::RequestContext;
use crate::elsewhere::Seen;
use crate::error;
use crate::operations::Operations;
use crate::refusal::Refusal;
use crate::versions;

/// Why nothing is copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// It would change nothing.
    #[error(
        "this copy request is illegal because it is trying to copy an object to itself without \
         changing the object's metadata, storage class, website redirect location or encryption \
         attributes"
    )]
    ToItself,
    /// The range is none of `bytes=first-last`.
    #[error("the x-amz-copy-source-range value must be of the form bytes=first-last")]
    Range,
    /// The range ends behind the object's end.
    #[error("the range is not valid for the source object of size {size}")]
    Outside {
        /// Length of the source in bytes.
        size: u64,
    },
    /// A directive that S3 does not know.
    #[error("the directive must be COPY or REPLACE")]
    Directive,
    /// The source is no object in a bucket.
    #[error("the source of a copy is a bucket and a key: there are no access points")]
    AccessPoint,
}

/// An object that may be copied, and where it is.
pub struct Source {
    /// Its bucket.
    pub record: Arc<BucketRecord>,
    /// Its key.
    pub key: Key,
    /// The object.
    pub object: Seen,
}

impl Source {
    /// The source as its bucket knows it: this very object.
    pub fn seen(&self) -> s3d_bucket::CopySource {
        s3d_bucket::CopySource {
            key: self.key.clone(),
            condition: Condition::seen(&self.object),
        }
    }
}

impl Operations {
    /// Finds the source of a copy, if the caller may read it and its conditions hold.
    pub(super) async fn source<T: Sync>(
        &self,
        request: &S3Request<T>,
        source: &CopySource,
    ) -> S3Result<Source> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(CopyError::AccessPoint.into());
        };
        versions::check(version_id.as_deref())?;
        let key = Key::new(&**key).map_err(error::key)?;
        let found = self.buckets.find(bucket).await.map_err(error::record)?;
        let record = found.ok_or(Refusal::NoSuchBucket)?;
        let caller = caller(request)?;
        let object = match self.buckets.open(&record).await {
            Ok(open) => {
                let found = access::find_as(&open, &record, caller, &key, ObjectUse::READ).await?;
                let found = Box::new(found);
                Seen::Here { open, found }
            }
            Err(OpenBucketError::ServedElsewhere(node)) => {
                let found = self.find_elsewhere(node, &record, &key).await?;
                let object = permitted(found, &record, caller, &key, ObjectUse::READ)?;
                Seen::Elsewhere { node, object }
            }
            Err(refusal) => return Err(error::open(refusal)),
        };
        let condition = &RequestContext::of(request)?.headers.source_condition;
        if let Err(Unmet::Precondition(unmet)) = condition.check(Some(&object)) {
            return Err(Refusal::SourcePrecondition(unmet).into());
        }
        Ok(Source {
            record,
            key,
            object,
        })
    }

    async fn find_elsewhere(
        &self,
        node: NodeNumber,
        bucket: &BucketRecord,
        key: &Key,
    ) -> S3Result<Option<Box<Object>>> {
        let found = self.elsewhere()?.find(node, bucket, key).await;
        let found = found.map_err(|refusal| error::elsewhere(&refusal))?;
        Ok(found.map(Box::new))
    }
}

/// The bytes that an `x-amz-copy-source-range` names in an object of `size` bytes. Unlike other
/// ranges it has both ends, and both lie in the object.
pub fn range(header: Option<&str>, size: u64) -> Result<Range<u64>, CopyError> {
    let Some(header) = header else {
        return Ok(0..size);
    };
    let ends = header
        .strip_prefix("bytes=")
        .and_then(|ends| ends.split_once('-'));
    let (first, last) = ends.ok_or(CopyError::Range)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Err(CopyError::Range);
    }
    let (first, last): (u64, u64) = match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => (first, last),
        _ => return Err(CopyError::Range),
    };
    if last >= size {
        return Err(CopyError::Outside { size });
    }
    Ok(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_ends_in_the_object() {
        assert_eq!(range(None, 10), Ok(0..10));
        assert_eq!(range(Some("bytes=0-9"), 10), Ok(0..10));
        assert_eq!(range(Some("bytes=3-3"), 10), Ok(3..4));
        let outside = Err(CopyError::Outside { size: 10 });
        assert_eq!(range(Some("bytes=0-10"), 10), outside);
        for header in [
            "bytes=-3",
            "bytes=3-",
            "bytes=4-3",
            "bytes=a-b",
            "0-2",
            "bytes=+0-2",
            "bytes=0-2,4-5",
        ] {
            assert_eq!(range(Some(header), 10), Err(CopyError::Range), "{header}");
        }
    }
}
