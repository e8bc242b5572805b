//! The way of a PATCH past s3s' own operations.

use async_trait::async_trait;
use http::{Extensions, HeaderMap, Method, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use crate::access::Access;
use crate::context::RequestContext;
use crate::operations::Operations;
use crate::resource::{bucket_name, object_key};

/// Its name in logs and metrics.
const OPERATION: &str = "PatchObject";

/// Takes PATCH out of what s3s routes.
pub struct PatchRoute {
    /// Decides who may.
    pub access: Access,
    /// Does it.
    pub operations: Operations,
}

#[async_trait]
impl S3Route for PatchRoute {
    fn is_match(&self, method: &Method, _: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        *method == Method::PATCH
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let addressing = RequestContext::of(request)?.addressing.clone();
        let uri = request.uri.clone();
        let key = object_key(&uri, &addressing)?;
        let bucket = bucket_name(&uri, &addressing);
        self.access
            .check_route(request, OPERATION, bucket, &key)
            .await
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        self.operations.patch(&request).await
    }
}
