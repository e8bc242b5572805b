//! The rename of a prefix, as a file system renames a directory: `PUT /bucket/to/?renamePrefix`.

use s3d_bucket::{ChangeError, Condition, Key, Precondition};
use s3d_buckets::RenamePrefixError;
use s3s::{Body, S3Error, S3Request, S3Result};

use super::object::check_no_body;
use super::source;
use crate::access::bucket;
use crate::context::RequestContext;
use crate::error;
use crate::operations::Operations;
use crate::refusal::Refusal;
use crate::resource::object_key;

impl Operations {
    /// Gives all keys that begin with one prefix another beginning, at once. An object whose key is
    /// the new prefix itself, such as the marker of an empty folder, is replaced unless the request
    /// demands that nothing be there.
    pub(crate) async fn rename_prefix(&self, request: &S3Request<Body>) -> S3Result<()> {
        check_no_body(&request.headers)?;
        let context = RequestContext::of(request)?;
        let to = object_key(&request.uri, &context.addressing)?;
        let to = Key::new(to).map_err(error::key)?;
        let bucket = bucket(request)?;
        let from = source::read(&request.headers, bucket.name.as_str())?;
        let replaces = context.headers.condition != Condition::absent();
        let buckets = &self.buckets;
        let renamed = buckets.rename_prefix(bucket, from.as_str(), to.as_str(), replaces);
        match renamed.await {
            Ok(_) => Ok(()),
            Err(RenamePrefixError::Refused(ChangeError::PrefixNotEmpty)) if !replaces => {
                Err(Refusal::Precondition(Precondition::IfNoneMatch).into())
            }
            Err(refusal) => Err(refused(refusal)),
        }
    }
}

fn refused(refusal: RenamePrefixError) -> S3Error {
    match refusal {
        RenamePrefixError::Denied => Refusal::Denied.into(),
        RenamePrefixError::Open(refusal) => error::open(refusal),
        RenamePrefixError::Refused(refusal) => error::change(&refusal),
    }
}
