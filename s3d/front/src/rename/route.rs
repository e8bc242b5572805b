//! The way of a RenameObject past s3s' own operations.

use async_trait::async_trait;
use http::{Extensions, HeaderMap, Method, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};

use crate::access::Access;
use crate::context::RequestContext;
use crate::operations::Operations;
use crate::query::Query;
use crate::resource::{ResourceKind, bucket_name, object_key};
use crate::supported;

/// S3's name of it.
const OPERATION: &str = "RenameObject";

/// Takes RenameObject out of what s3s routes.
pub struct RenameRoute {
    /// Decides who may.
    pub access: Access,
    /// Does it.
    pub operations: Operations,
}

#[async_trait]
impl S3Route for RenameRoute {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &mut Extensions,
    ) -> bool {
        let Some(context) = extensions.get::<RequestContext>() else {
            return false;
        };
        let query = Query::parse(uri.query());
        ResourceKind::of(uri, &context.addressing)
            .is_ok_and(|resource| supported::is_rename(method, resource, &query, headers))
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
        self.operations.rename(&request).await?;
        Ok(S3Response::new(Body::empty()))
    }
}
