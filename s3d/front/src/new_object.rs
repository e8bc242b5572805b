//! What a request makes a new object: its headers, whose it is, its ACL and its tags.

use s3d_bucket::{Attributes, Key};
use s3s::{S3Request, S3Result};

use super::access::{bucket, caller};
use super::acl::{self, Belonging};
use super::attributes;
use super::context::RequestContext;
use super::operations::Operations;
use super::refusal::Refusal;
use super::tags::{self, Tags};

impl Operations {
    /// The attributes that a request gives a new object; without ETag and checksum.
    pub(super) async fn new_attributes<T: Sync>(
        &self,
        request: &S3Request<T>,
        key: &Key,
    ) -> S3Result<Attributes> {
        let Belonging { owner, acl } = self.new_belonging(request).await?;
        Ok(Attributes {
            owner,
            acl,
            tags: new_tags(request, key)?,
            ..attributes::read(&RequestContext::of(request)?.headers)?
        })
    }

    /// To whom a new object belongs, and its ACL.
    pub(super) async fn new_belonging<T: Sync>(
        &self,
        request: &S3Request<T>,
    ) -> S3Result<Belonging> {
        let requested = acl::read_headers(&request.headers)?;
        let asked = self.resolve(requested).await?;
        let bucket = bucket(request)?;
        let writer = caller(request)?.requester(bucket);
        Ok(acl::of_new_object(bucket, writer, asked)?)
    }
}

/// The tags in the headers of a request. The bucket's owner may set some, and whom the policy lets:
/// no ACL grants it.
pub fn new_tags<T>(request: &S3Request<T>, key: &Key) -> S3Result<Tags> {
    let Some(header) = request.headers.get("x-amz-tagging") else {
        return Ok(Tags::new());
    };
    let (bucket, caller) = (bucket(request)?, caller(request)?);
    let decision = caller.decide(bucket, "PutObjectTagging", Some(key.as_str()));
    if !decision.or(caller.owns(bucket)) {
        return Err(Refusal::Denied.into());
    }
    let text = header.to_str().map_err(|_| tags::TagError::Character)?;
    Ok(tags::of_header(text)?)
}
