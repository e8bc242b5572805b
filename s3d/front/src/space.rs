//! `GET /bucket?space`: what a bucket holds, and how much more it takes. S3 has nothing like it; a file
//! system that shows a bucket has to answer the question. What it takes is the right to list the bucket.

use http::{HeaderValue, Method, header};
use s3s::{Body, S3Request, S3Response, S3Result};

use super::access::bucket;
use super::error;
use super::operations::Operations;
use super::query::Query;
use super::resource::ResourceKind;

/// Its name in logs, metrics and policies' eyes.
pub const OPERATION: &str = "GetBucketSpace";

/// Whether a request asks for it.
pub fn is_asked(method: &Method, resource: ResourceKind, query: &Query<'_>) -> bool {
    *method == Method::GET && resource == ResourceKind::Bucket && query.has("space")
}

impl Operations {
    /// Objects, bytes that they have with the parts of uploads, and bytes that can still be written: as
    /// far as the quota allows, and the pool, which others share.
    pub(super) async fn space(&self, request: &S3Request<Body>) -> S3Result<S3Response<Body>> {
        let record = bucket(request)?;
        let space = self.buckets.space(record).await.map_err(error::open)?;
        let (objects, used, free) = (space.objects, space.used, space.free);
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BucketSpace><Objects>{objects}</Objects>\
             <UsedBytes>{used}</UsedBytes><FreeBytes>{free}</FreeBytes></BucketSpace>"
        );
        let mut answer = S3Response::new(Body::from(document));
        let xml = HeaderValue::from_static("application/xml");
        answer.headers.insert(header::CONTENT_TYPE, xml);
        Ok(answer)
    }
}
